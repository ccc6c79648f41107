"""Undoing Content-Encoding under a cap (D4)."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Sequence

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairmill_downloader.fetching.encoding import Body, BodyError
from pairmill_protos.common.v1.outcome_pb2 import Reason

Encode = Callable[[bytes], bytes]


def _raw_deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


ENCODERS: dict[str, tuple[list[str], Encode]] = {
    "identity": ([], lambda data: data),
    "none": (["none"], lambda data: data),
    "unknown": (["utf-8"], lambda data: data),
    "gzip": (["gzip"], gzip.compress),
    "x-gzip": (["X-GZIP"], gzip.compress),
    "zlib": (["deflate"], zlib.compress),
    "raw": (["deflate"], _raw_deflate),
    "brotli": (["br"], brotli.compress),
    "nested": (["gzip, br"], lambda data: brotli.compress(gzip.compress(data))),
    "two_fields": (["deflate", "gzip"], lambda data: gzip.compress(zlib.compress(data))),
}


def decoded(encodings: Sequence[str], data: bytes, *, limit: int = 1 << 20, step: int = 1000) -> bytes:
    body = Body(encodings, limit)
    for start in range(0, len(data), step):
        body.feed(data[start : start + step])
    return body.finish()


def reason(encodings: Sequence[str], data: bytes, *, limit: int = 1 << 20) -> Reason.ValueType:
    with pytest.raises(BodyError) as caught:
        decoded(encodings, data, limit=limit)
    return caught.value.reason


@pytest.mark.parametrize("name", ENCODERS)
@given(data=st.binary(min_size=1, max_size=3000), step=st.integers(1, 500))
def test_decodes_whatever_the_pieces(name: str, data: bytes, step: int) -> None:
    encodings, encode = ENCODERS[name]
    assert decoded(encodings, encode(data), step=step) == data


def test_inner_coding_is_not_cut_where_little_of_the_body_is_missing() -> None:
    noise = bytes((n * n * 2654435761 >> 7) & 255 for n in range(9000))
    data = gzip.compress(gzip.compress(noise) + gzip.compress(b"") * 400)
    assert decoded(["gzip", "gzip"], data, limit=len(noise), step=1 << 20) == noise


@pytest.mark.parametrize("name", ENCODERS)
def test_body_of_exactly_the_cap_is_whole(name: str) -> None:
    encodings, encode = ENCODERS[name]
    data = bytes(range(256)) * 40
    assert decoded(encodings, encode(data), limit=len(data)) == data


@pytest.mark.parametrize("name", ["gzip", "zlib", "raw", "brotli", "nested"])
def test_d4_bomb_is_stopped(name: str) -> None:
    encodings, encode = ENCODERS[name]
    assert reason(encodings, encode(bytes(5_000_000)), limit=100_000) == Reason.REASON_BOMB


def test_d4_many_layers_are_a_bomb() -> None:
    assert reason(["gzip"] * 4, b"x") == Reason.REASON_BOMB


def test_d4_many_empty_members_within_a_bomb_are_stopped_at_once() -> None:
    members = brotli.compress(gzip.compress(b"") * 20_000)
    assert len(members) < 100
    assert reason(["gzip", "br"], members) == Reason.REASON_BOMB


@pytest.mark.parametrize(
    ("encodings", "reached"), [(["gzip"], Reason.REASON_TOO_LARGE), (["gzip", "br"], Reason.REASON_BOMB)]
)
def test_d4_encoding_that_decodes_to_nothing_has_a_cap(
    encodings: list[str], reached: Reason.ValueType
) -> None:
    header, empty_block = gzip.compress(b"")[:10], b"\x00\x00\x00\xff\xff"
    endless = header + empty_block * 40_000
    data = brotli.compress(endless) if "br" in encodings else endless
    assert reason(encodings, data, limit=100_000) == reached


@pytest.mark.parametrize("name", ["identity", "gzip"])
def test_d3_large_body_is_too_large(name: str) -> None:
    encodings, encode = ENCODERS[name]
    noise = bytes((n * n * 2654435761 >> 7) & 255 for n in range(60_000))
    assert reason(encodings, encode(noise), limit=50_000) == Reason.REASON_TOO_LARGE


def test_d4_stops_early() -> None:
    body = Body([], 100)
    for _ in range(10):
        body.feed(bytes(10))
    with pytest.raises(BodyError):
        body.feed(bytes(10))


@pytest.mark.parametrize("name", ["gzip", "zlib", "brotli", "nested"])
def test_encoded_body_that_ends_early_is_truncated(name: str) -> None:
    encodings, encode = ENCODERS[name]
    assert reason(encodings, encode(b"hello" * 100)[:-3]) == Reason.REASON_TRUNCATED_BODY


@pytest.mark.parametrize("name", ["gzip", "zlib", "brotli"])
def test_bytes_in_no_such_encoding_are_a_bad_response(name: str) -> None:
    assert reason(ENCODERS[name][0], b"\xff\xd8\xff\xe0 a picture after all") == Reason.REASON_BAD_RESPONSE


def test_empty_body_is_empty_in_any_encoding() -> None:
    assert decoded(["gzip"], b"") == b""


def test_members_are_joined_and_what_follows_is_passed_over() -> None:
    assert decoded(["gzip"], gzip.compress(b"one") + gzip.compress(b"two") + bytes(20)) == b"onetwo"


def test_body_that_may_be_cut_is_cut() -> None:
    body = Body([], 10, cuts=True)
    body.feed(b"0123456789abc")
    assert body.is_full
    assert body.finish() == b"0123456789"
