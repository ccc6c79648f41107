"""What pages say of licence and of AI use is applied where the job honours it, and carried otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.crawler.wats import crawl, image, page_record, rules, wat_of


def meta(name: str, content: str) -> dict[str, Any]:
    return {"Metas": [{"name": "viewport", "content": "x"}, {"name": name, "content": content}]}


FORBIDDING: list[tuple[dict[str, Any], str]] = [
    ({"head": meta("robots", "noai")}, "meta robots: noai"),
    ({"head": meta("ROBOTS", "index, NOIMAGEAI")}, "meta robots: noimageai"),
    ({"head": meta("pairmill", "noai")}, "meta pairmill: noai"),
    ({"head": meta("robots", "noai,noimageai")}, "meta robots: noai; meta robots: noimageai"),
    ({"head": meta("tdm-reservation", " 1 ")}, "meta tdm-reservation: 1"),
    ({"headers": {"X-Robots-Tag": "noindex, noai"}}, "header x-robots-tag: noai"),
    ({"headers": {"x-robots-tag": "pairmill: noai"}}, "header x-robots-tag: noai"),
    ({"headers": {"X-Robots-Tag": ["noindex", "noimageai"]}}, "header x-robots-tag: noimageai"),
    ({"headers": {"TDM-Reservation": "1"}}, "header tdm-reservation: 1"),
    ({"headers": {"Content-Usage": "train-ai=n"}}, "header content-usage: train-ai=n"),
    ({"headers": {"Content-Usage": "bots=n, search=y"}}, "header content-usage: bots=n, search=y"),
]
SILENT: list[tuple[dict[str, Any], str | None]] = [
    ({}, None),
    ({"head": meta("robots", "index, follow")}, None),
    ({"head": meta("robots", "noindex, nofollow")}, None),
    ({"head": meta("otherbot", "noai")}, None),
    ({"head": meta("description", "noai")}, None),
    ({"head": meta("tdm-reservation", "0")}, "meta tdm-reservation: 0"),
    ({"head": meta("tdm-policy", "https://x.test/p.json")}, "meta tdm-policy: https://x.test/p.json"),
    ({"headers": {"X-Robots-Tag": "otherbot: noai, noimageai"}}, None),
    ({"headers": {"X-Robots-Tag": "unavailable_after: 25 Jun 2030 15:00:00 PST"}}, None),
    ({"headers": {"Content-Usage": "train-ai=y, bots=n"}}, "header content-usage: train-ai=y, bots=n"),
    ({"headers": {"X-Robots-Tag": 7, "tdm-reservation": None}}, None),
]


@pytest.mark.parametrize(("fields", "evidence"), FORBIDDING)
def test_pages_that_forbid_ai_training_are_left_out_where_that_is_honoured(
    fields: dict[str, Any], evidence: str
) -> None:
    data = wat_of(
        page_record(image("/a.jpg"), image("/b.jpg", ""), {"path": "A@/href", "url": "/x"}, **fields)
    )
    found = crawl(data, rules=rules(honour_page_opt_outs=True))
    assert found.counts == {"opt_out_page": 1, "no_alt": 1, "not_image_link": 1}
    (row,) = crawl(data, rules=rules(honour_page_opt_outs=False)).rows
    assert row["consent"] == evidence


@pytest.mark.parametrize(("fields", "evidence"), SILENT)
def test_pages_that_do_not_forbid_it_stay_with_what_they_say(
    fields: dict[str, Any], evidence: str | None
) -> None:
    (row,) = crawl(wat_of(page_record(image("/a.jpg"), **fields))).rows
    assert row["consent"] == evidence


@pytest.mark.parametrize(
    ("links", "head", "licence"),
    [
        ([], {"Link": [{"url": "/licence.html", "rel": "License"}]}, "http://www.page.test/licence.html"),
        (
            [{"path": "A@/href", "url": "https://cc.test/by/4.0", "rel": "nofollow license"}],
            {},
            "https://cc.test/by/4.0",
        ),
        (
            [{"path": "A@/href", "url": "https://cc.test/by/4.0", "rel": "license"}],
            {"Link": [{"url": "https://cc.test/zero", "rel": "license"}]},
            "https://cc.test/zero",
        ),
        ([], meta("dcterms.license", "CC  BY\n4.0"), "CC BY 4.0"),
        ([], meta("copyright", "all mine"), None),
        ([], {"Link": [{"url": "/style.css", "rel": "stylesheet"}]}, None),
        ([], meta("license", "x" * 10_000), "x" * 500),
    ],
)
def test_the_licence_that_a_page_declares_is_carried(links: Any, head: Any, licence: str | None) -> None:
    (row,) = crawl(wat_of(page_record(image("/a.jpg"), *links, head=head))).rows
    assert row["licence"] == licence
