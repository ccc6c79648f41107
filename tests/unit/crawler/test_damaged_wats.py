"""Broken and hostile WATs: good records stay, each defect is one row with a reason and a place."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill_crawler.gzip_members import GzipMembers, InflateLimits, LostRange, Piece
from pairmill_protos.common.v1.outcome_pb2 import Reason
from tests.bench.big_wat import gzip_member, metadata_record
from tests.unit.crawler.wats import PAGE, crawl, document, image, info_record, page_record, rules, wat_of

PAGES = [page_record(image(f"/{n}.jpg", f"picture number {n}")) for n in range(6)]
WHOLE = wat_of(*PAGES)
BOMB = gzip_member(bytes(64 << 20))


def texts(data: bytes, **fields: Any) -> list[str]:
    return sorted(text for _, text in crawl(data, **fields).pairs)


def all_texts(*left_out: int) -> list[str]:
    return [f"picture number {n}" for n in range(6) if n not in left_out]


def test_b1_a_file_cut_within_a_member_keeps_what_is_whole_and_says_where_it_ends() -> None:
    last = len(wat_of(*PAGES[:5]))
    found = crawl(WHOLE[: last + 100])
    assert [text for _, text in found.pairs] == all_texts(5)
    assert found.counts == {"truncated": 1}
    assert f"bytes {last} to {last + 100} are lost" in found.details(Reason.REASON_TRUNCATED)[0]


def test_b1_a_file_cut_between_members_is_truncated_if_its_length_is_known() -> None:
    whole_members = wat_of(*PAGES[:4])
    found = crawl(whole_members, size=len(WHOLE))
    assert len(found.rows) == 4
    assert found.counts == {"truncated": 1}
    assert crawl(whole_members).counts == {}


@settings(deadline=None, max_examples=60)
@given(cut=st.integers(0, len(WHOLE)), chunk=st.sampled_from([1, 7, 100, 5000]))
def test_b1_wherever_a_file_is_cut_the_whole_records_before_it_are_read(cut: int, chunk: int) -> None:
    ends = [len(wat_of(*PAGES[: n + 1])) for n in range(6)]
    found = crawl(WHOLE[:cut], chunk=chunk, size=len(WHOLE))
    assert len(found.rows) == sum(end <= cut for end in ends)
    assert found.counts == ({} if cut == len(WHOLE) else {"truncated": 1})


def test_b2_after_a_corrupt_member_reading_goes_on_with_the_next() -> None:
    start, end = len(wat_of(*PAGES[:2])), len(wat_of(*PAGES[:3]))
    middle = (start + end) // 2
    found = crawl(WHOLE[:middle] + b"\xff" * 40 + WHOLE[middle + 40 :])
    assert [text for _, text in found.pairs] == all_texts(2)
    assert found.counts == {"corrupt_gzip": 1}
    assert f"bytes {start} to {end} are lost" in found.details(Reason.REASON_CORRUPT_GZIP)[0]


@settings(deadline=None, max_examples=100)
@given(seed=st.integers(0, 2**32), flips=st.integers(1, 30), chunk=st.sampled_from([13, 999, 10_000]))
def test_b2_no_damage_whatever_escapes_or_doubles_a_link(seed: int, flips: int, chunk: int) -> None:
    draw, data = random.Random(seed), bytearray(WHOLE)
    for _ in range(flips):
        data[draw.randrange(len(data))] = draw.randrange(256)
    found = crawl(bytes(data), chunk=chunk)
    pairs = found.pairs
    assert len(set(pairs)) == len(pairs)
    assert set(found.counts) <= {
        "corrupt_gzip", "truncated", "bad_record", "bad_json", "bad_schema", "no_html_metadata",
        "not_image_link", "no_alt", "bad_url", "bomb", "record_too_large",
    }  # fmt: skip


@pytest.mark.parametrize("chunk", [10, 4096, 10**6])
def test_b3_a_file_of_one_member_and_an_uncompressed_one_read_alike(chunk: int) -> None:
    assert texts(gzip.compress(b"".join(PAGES)), chunk=chunk) == all_texts()
    assert texts(b"".join(PAGES), chunk=chunk) == all_texts()


def test_b4_a_bomb_is_one_row_and_what_follows_is_read() -> None:
    found = crawl(wat_of(*PAGES[:3]) + BOMB + wat_of(*PAGES[3:]))
    assert [text for _, text in found.pairs] == all_texts()
    assert found.counts["bomb"] == 1


def test_b4_of_a_bomb_no_more_is_inflated_than_it_takes_to_know_it() -> None:
    limits = InflateLimits(bomb_bytes=4 << 20)
    stretches = list(GzipMembers(iter([BOMB]), 0, limits).stretches())
    pieces = [stretch for stretch in stretches if isinstance(stretch, Piece)]
    assert sum(len(piece.data) for piece in pieces) <= 5 << 20
    assert max(len(piece.data) for piece in pieces) <= 1 << 20
    assert [stretch.reason for stretch in stretches if isinstance(stretch, LostRange)] == [Reason.REASON_BOMB]


def test_b4_a_member_that_holds_itself_is_read_once() -> None:
    """A quine's content is a gzip member again: content is never inflated a second time."""
    inner = wat_of(PAGES[0])
    found = crawl(wat_of(metadata_record(PAGE, inner), PAGES[1]))
    assert found.counts == {"bad_json": 1}
    assert [text for _, text in found.pairs] == ["picture number 1"]


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"nonsense", b'{"Envelope": {"a": oops}}', b"\xff\xfe\x00", b'{"Envelope": {}} trailing'],
    ids=["empty", "cut", "words", "value", "bytes", "trailing"],
)
def test_b5_what_is_no_json_is_counted_and_the_next_record_read(payload: bytes) -> None:
    found = crawl(wat_of(PAGES[0], metadata_record(PAGE, payload), PAGES[1]))
    assert found.counts == {"bad_json": 1}
    assert len(found.rows) == 2


@pytest.mark.parametrize("wrong", [-24, 24, 100_000, -(10**6)], ids=["short", "long", "longer", "negative"])
@pytest.mark.parametrize("members", [True, False], ids=["members", "plain"])
def test_b5_a_wrong_content_length_costs_one_record(wrong: int, members: bool) -> None:
    bad = _with_length(PAGES[2], lambda length: length + wrong)
    records = [*PAGES[:2], bad, *PAGES[3:]]
    found = crawl(wat_of(*records) if members else b"".join(records))
    assert [text for _, text in found.pairs if "number 2" not in text] == all_texts(2)
    assert sum(found.counts.values()) >= 1


def test_b5_headers_with_line_feeds_alone_are_read() -> None:
    head, _, rest = PAGES[0].partition(b"\r\n\r\n")
    lenient = head.replace(b"\r\n", b"\n") + b"\n\n" + rest.rstrip(b"\r\n") + b"\n\n"
    assert texts(wat_of(lenient, *PAGES[1:])) == all_texts()
    assert texts(lenient + b"".join(PAGES[1:])) == all_texts()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Content-Type:", b"content-TYPE :"),
        (b"WARC-Type: metadata", b"WARC-Type: metadata\r\nWARC-Type: other"),
        (b"WARC-Type: metadata", b"X-Long: a\r\n\tb\r\n c\r\nWARC-Type: metadata"),
        (b"WARC-Type: metadata", b"X-Bytes: \xff\xfe\x80\r\nWARC-Type: metadata"),
        (
            b"WARC-Target-URI: http://www.page.test/dir/page.html",
            b"WARC-Target-URI: <http://www.page.test/dir/page.html>",
        ),
    ],
    ids=["case", "twice", "folded", "bytes", "brackets"],
)
def test_b8_odd_headers_are_read(old: bytes, new: bytes) -> None:
    odd = PAGES[0].replace(old, new, 1)
    assert odd != PAGES[0]
    found = crawl(wat_of(odd, *PAGES[1:]))
    assert sorted(text for _, text in found.pairs) == all_texts()
    assert {row["page_url"] for row in found.rows} == {PAGE}


def test_b8_two_content_lengths_never_shift_a_text_to_another_address() -> None:
    bad = PAGES[2].replace(b"Content-Length:", b"Content-Length: 3\r\nContent-Length:", 1)
    for data in (wat_of(*PAGES[:2], bad, *PAGES[3:]), b"".join([*PAGES[:2], bad, *PAGES[3:]])):
        found = crawl(data)
        assert found.pairs == [
            (f"http://www.page.test/{n}.jpg", f"picture number {n}") for n in range(6) if n != 2
        ]
        assert found.counts == {"bad_record": 1}


def test_b8_a_record_start_within_a_text_is_no_record() -> None:
    hostile = image("/evil.jpg", "WARC/1.0\r\nContent-Length: 1\r\n\r\n")
    found = crawl(b"".join([page_record(hostile), *PAGES]))
    assert len(found.rows) == 7


def test_b7_a_record_above_the_cap_is_not_read_and_others_are() -> None:
    noise = random.Random(1).randbytes(700_000).hex()
    large = metadata_record(PAGE, json.dumps(document([image("/a.jpg", noise)])).encode())
    found = crawl(wat_of(PAGES[0], large, PAGES[1]))
    assert found.counts == {"record_too_large": 1}
    assert len(found.rows) == 2


def test_b7_json_deeper_than_the_cap_is_not_read_and_others_are() -> None:
    deep = b'{"Envelope":{"IMG@/src":' + b"[" * 10_000 + b"]" * 10_000 + b"}}"
    found = crawl(wat_of(PAGES[0], metadata_record(PAGE, deep), PAGES[1]))
    assert found.counts == {"too_deep": 1}
    assert len(found.rows) == 2


def test_b7_links_over_the_cap_of_a_page_are_counted_and_the_first_ones_taken() -> None:
    many = page_record(*[image(f"/m/{n}.jpg") for n in range(100_000)])
    found = crawl(wat_of(many, PAGES[0]), rules=rules(max_links_per_page=50, max_record_bytes=1 << 25))
    assert found.counts == {"too_many_links": 99_950}
    assert [url for url, _ in found.pairs][:50] == [f"http://www.page.test/m/{n}.jpg" for n in range(50)]


def test_an_empty_source_and_one_that_is_no_wat_are_one_row_each() -> None:
    assert crawl(b"").counts == {"truncated": 1}
    assert crawl(b"<html>not found</html>" * 1000).counts == {"corrupt_gzip": 1}


def test_a_source_that_is_missing_is_one_row() -> None:
    found = crawl(WHOLE, wat="missing.wat.gz")
    assert found.counts == {"source_missing": 1}
    assert found.details(Reason.REASON_SOURCE_MISSING) == ["no such thing"]


def test_records_without_links_are_one_row_each() -> None:
    pdf = metadata_record(PAGE, b'{"Envelope": {"Payload-Metadata": {"HTTP-Response-Metadata": {}}}}')
    assert crawl(wat_of(info_record(), pdf, page_record())).counts == {"no_html_metadata": 3}


def test_zero_bytes_after_the_last_member_are_padding() -> None:
    assert crawl(WHOLE + bytes(5000)).counts == {}


def test_offsets_name_the_member_that_a_record_stands_in() -> None:
    offsets = [row["wat_offset"] for row in crawl(WHOLE).rows]
    assert offsets == [len(wat_of(*PAGES[:n])) for n in range(6)]
    plain = [row["wat_offset"] for row in crawl(b"".join(PAGES)).rows]
    assert plain == [len(b"".join(PAGES[:n])) for n in range(6)]
    shared = [row["wat_offset"] for row in crawl(gzip_member(b"".join(PAGES))).rows]
    assert shared == list(range(6))


def _with_length(record: bytes, change: Callable[[int], int]) -> bytes:
    head, colon, rest = record.partition(b"Content-Length: ")
    digits, _, tail = rest.partition(b"\r\n")
    return head + colon + str(change(int(digits))).encode() + b"\r\n" + tail
