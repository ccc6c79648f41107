"""The JSON of WAT records: the quick ways through it and the careful one agree, and nothing escapes (B6)."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill_crawler.wat import Imageless, Link, Page, parse_wat
from pairmill_protos.common.v1.outcome_pb2 import Reason
from tests.bench.big_wat import gzip_member, metadata_record
from tests.unit.crawler.wats import PAGE, crawl, document, image

HEAD = {
    "Base": "/base/",
    "Metas": [{"name": "robots", "content": "index"}, {"property": "og:title", "content": "x"}],
    "Link": [{"path": "LINK@/href", "url": "/style.css", "rel": "stylesheet"}],
}
LINKS = [
    image("/a.jpg", "one"),
    {"path": "A@/href", "url": "/b", "text": "more", "rel": "nofollow"},
    {"path": "IMG@/src", "url": "/c.jpg"},
]
WRONG: list[Any] = [None, 7, True, [], {}, "text", [[]], {"a": 1}, 1e300, [None]]


def counts(doc: Any) -> dict[str, int]:
    data = gzip_member(metadata_record(PAGE, json.dumps(doc).encode()))
    found = crawl(data)
    return found.counts | ({"passed": len(found.rows)} if found.rows else {})


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ([image(None)], {"bad_schema": 1}),
        ([image(7)], {"bad_schema": 1}),
        ([image("/a.jpg", 7)], {"bad_schema": 1}),
        ([image("/a.jpg", ["x"])], {"bad_schema": 1}),
        ([{"path": "IMG@/src", "alt": "no address"}], {"bad_schema": 1}),
        ([{"path": 7, "url": "/a.jpg"}], {"bad_schema": 1}),
        (["IMG@/src"], {"bad_schema": 1}),
        ([None], {"bad_schema": 1}),
        ([image("/a.jpg", None)], {"no_alt": 1}),
        ([{"path": "IMG@/src", "url": "/a.jpg"}], {"no_alt": 1}),
        ([{"url": "/a.jpg"}], {"not_image_link": 1}),
        ([{"path": "A@/href", "url": 7}], {"not_image_link": 1}),
        ([image("/a.jpg"), image(7), LINKS[1]], {"passed": 1, "bad_schema": 1, "not_image_link": 1}),
        ({"path": "IMG@/src"}, {"bad_schema": 1}),
        ("IMG@/src", {"bad_schema": 1}),
        ([], {"no_html_metadata": 1}),
    ],
)  # fmt: skip
def test_b6_a_link_of_another_shape_is_one_row_and_its_neighbours_stay(
    links: Any, expected: dict[str, int]
) -> None:
    assert counts(document(links)) == expected


@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_b6_a_page_with_an_odd_head_keeps_its_links(value: Any) -> None:
    for name in ("Base", "Metas", "Link"):
        assert counts(document(LINKS, head=HEAD | {name: value}))["passed"] == 1
    assert counts(document(LINKS, head=value, headers=value))["passed"] == 1
    assert counts(document(LINKS, url=value))["not_image_link"] == 1


@pytest.mark.parametrize(
    "payload",
    [b"[1, 2, 3]", b"7", b'"IMG@/src"', b'{"Envelope": 5, "note": "IMG@/src"}', b"{}", b'{"Envelope": null}'],
)
def test_b6_a_record_without_an_envelope_is_bad_schema(payload: bytes) -> None:
    parsed = parse_wat(payload)
    assert isinstance(parsed, tuple)
    assert parsed[0] == Reason.REASON_BAD_SCHEMA


def test_what_a_record_says_is_read() -> None:
    page = parse_wat(json.dumps(document(LINKS, head=HEAD, headers={"Server": "x"})).encode())
    assert isinstance(page, Page)
    assert (page.url, page.base_href, page.warc_file, page.warc_offset) == (
        PAGE,
        "/base/",
        "some.warc.gz",
        4711,
    )
    assert [(meta.name, meta.content) for meta in page.metas] == [("robots", "index"), (None, "x")]
    assert [(link.url, link.rel) for link in page.head_links] == [("/style.css", "stylesheet")]
    assert [(link.path, link.url, link.alt) for link in page.links if isinstance(link, Link)] == [
        ("IMG@/src", "/a.jpg", "one"),
        ("A@/href", "/b", None),
        ("IMG@/src", "/c.jpg", None),
    ]
    assert json.loads(page.headers) == {"Server": "x"}


def test_a_page_without_images_is_only_counted() -> None:
    assert parse_wat(json.dumps(document(LINKS[1:2] * 9)).encode()) == Imageless(9)


def test_b9_lone_surrogates_and_foreign_bytes_do_not_cost_the_page() -> None:
    text = json.dumps(document([image("/a.jpg", "x \ud83d y"), image("/b.jpg", "\ud83d\ude00")])).encode()
    page = parse_wat(text.replace(b"/b.jpg", b"/\xff.jpg"))
    assert isinstance(page, Page)
    assert [(link.url, link.alt) for link in page.links if isinstance(link, Link)] == [
        ("/a.jpg", "x \ufffd y"),
        ("/\ufffd.jpg", "\U0001f600"),
    ]


@settings(deadline=None, max_examples=400)
@given(seed=st.integers(0, 2**32))
def test_b6_the_prefilter_changes_no_count(seed: int) -> None:
    payload = _mutated(seed)
    assert _shape(parse_wat(payload)) == _shape(parse_wat(payload, prefilter=False))


@settings(deadline=None, max_examples=400)
@given(seed=st.integers(0, 2**32))
def test_b6_whatever_the_record_every_link_is_one_row(seed: int) -> None:
    found = crawl(gzip_member(metadata_record(PAGE, _mutated(seed))))
    parsed = parse_wat(_mutated(seed))
    match parsed:
        case Page(links=links):
            expected = len(links)
        case Imageless(links=number):
            expected = number
        case _:
            expected = 1
    assert len(found.rows) + found.drops.counts.total() == expected


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_no_bytes_escape(payload: bytes) -> None:
    assert isinstance(parse_wat(payload), tuple | Page | Imageless)


def _shape(parsed: Any) -> Any:
    match parsed:
        case Page(links=links):
            images = [link for link in links if not isinstance(link, Link) or link.path == "IMG@/src"]
            return len(links) if not images else (len(links), len(images))
        case Imageless(links=number):
            return number
        case _:
            return parsed[0]


def _mutated(seed: int) -> bytes:
    """A record in which a few values are replaced, removed or cut."""
    draw = random.Random(seed)
    doc = deepcopy(
        document(draw.sample(LINKS, draw.randrange(len(LINKS) + 1)), head=HEAD, headers={"a": "b"})
    )
    for _ in range(draw.randrange(4)):
        places = list(_places(doc))
        if not places:
            break  # the whole document was deleted: there is nothing left to damage
        holder, key = draw.choice(places)
        if draw.random() < 0.2:
            del holder[key]
        else:
            holder[key] = deepcopy(draw.choice(WRONG))
    text = json.dumps(doc).encode()
    return text[: draw.randrange(len(text))] if draw.random() < 0.1 else text


def _places(value: Any) -> Any:
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])
