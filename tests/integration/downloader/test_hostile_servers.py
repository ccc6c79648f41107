"""Servers that are slow, broken or hostile end as one reason each (D1–D5, D14, D15)."""

from __future__ import annotations

import asyncio
import gzip
import time

import brotli
import pytest

from pairmill_protos.common.v1.outcome_pb2 import Reason
from tests.fakes.raw_server import Behaviour, RawServer, repeats, resets, response, sends, silent
from tests.integration.downloader.fetching import PICTURE, fetch, fetch_from, rules

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
DECLARED = b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\n"

ENDS: dict[str, tuple[Behaviour, Reason.ValueType]] = {
    "d1_drip": (repeats(DECLARED, b"x", pause=0.1), Reason.REASON_TIMEOUT_TOTAL),
    "d1_drip_of_header": (
        repeats(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", pause=0.1),
        Reason.REASON_TIMEOUT_TOTAL,
    ),
    "d1_stall_within_body": (sends(DECLARED, b"x", b"x", pause=5.0), Reason.REASON_TIMEOUT_TOTAL),
    "d2_silence": (silent, Reason.REASON_TIMEOUT_FIRST_BYTE),
    "d2_reset_at_once": (resets(), Reason.REASON_RESET),
    "d2_closed_at_once": (sends(), Reason.REASON_RESET),
    "d2_reset_within_header": (resets(b"HTTP/1.1 200 OK\r\nX"), Reason.REASON_RESET),
    "d3_short": (sends(DECLARED + PICTURE), Reason.REASON_TRUNCATED_BODY),
    "d3_short_chunked": (sends(CHUNKED + b"ff\r\nabc"), Reason.REASON_TRUNCATED_BODY),
    "d3_chunked_without_end": (sends(CHUNKED + b"3\r\nabc\r\n"), Reason.REASON_TRUNCATED_BODY),
    "d3_declared_too_large": (sends(response(b"", Content_Length="100001")), Reason.REASON_TOO_LARGE),
    "d3_endless_chunks": (repeats(CHUNKED, b"400\r\n" + bytes(1024) + b"\r\n"), Reason.REASON_TOO_LARGE),
    "d3_endless": (repeats(UNTIL_CLOSE, bytes(4096)), Reason.REASON_TOO_LARGE),
    "d4_gzip_bomb": (
        sends(response(gzip.compress(bytes(20_000_000)), Content_Encoding="gzip")),
        Reason.REASON_BOMB,
    ),
    "d4_brotli_bomb": (
        sends(response(brotli.compress(bytes(20_000_000)), Content_Encoding="br")),
        Reason.REASON_BOMB,
    ),
    "d4_no_gzip": (sends(response(PICTURE, Content_Encoding="gzip")), Reason.REASON_BAD_RESPONSE),
    "d14_garbage": (sends(b"\x00\x01\x02 SSH-2.0 hello\r\n\r\n"), Reason.REASON_BAD_RESPONSE),
    "d14_bad_chunk_size": (sends(CHUNKED + b"zz\r\nabc\r\n"), Reason.REASON_BAD_RESPONSE),
    "d14_long_field": (sends(response(PICTURE, X="y" * 70_000)), Reason.REASON_BAD_RESPONSE),
    "d14_endless_fields": (
        repeats(b"HTTP/1.1 200 OK\r\n", b"Set-Cookie: a=b\r\n" * 1000),
        Reason.REASON_BAD_RESPONSE,
    ),
    "d15_no_content": (sends(response(status="204 No Content")), Reason.REASON_BAD_STATUS),
    "d15_partial": (sends(response(PICTURE, status="206 Partial Content")), Reason.REASON_BAD_STATUS),
    "d15_not_modified": (sends(response(status="304 Not Modified")), Reason.REASON_BAD_STATUS),
    "d7_error": (sends(response(b"sorry", status="500 Oops")), Reason.REASON_HTTP_5XX),
}


@pytest.mark.parametrize("name", ENDS)
def test_ends_with_its_reason_and_in_time(name: str) -> None:
    behaviour, reason = ENDS[name]
    started = time.monotonic()
    end = fetch(behaviour)
    assert (Reason.Name(end.reason), end.body) == (Reason.Name(reason), b"")
    assert end.detail
    assert time.monotonic() - started < 3.0


def test_d2_reset_within_the_body_is_told_from_an_early_end() -> None:
    assert fetch(resets(DECLARED + b"abc")).reason == Reason.REASON_RESET


ARRIVALS: dict[str, Behaviour] = {
    "declared": sends(response(PICTURE, Content_Type="image/jpeg")),
    "chunked": sends(CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(PICTURE), PICTURE)),
    "until_close": sends(UNTIL_CLOSE + PICTURE),
    "slow": sends(DECLARED.replace(b"50000", b"%d" % len(PICTURE)), PICTURE[:9], PICTURE[9:], pause=0.1),
    "gzip": sends(response(gzip.compress(PICTURE), Content_Encoding="gzip")),
    "brotli": sends(response(brotli.compress(PICTURE), Content_Encoding="br")),
    "with_continue": sends(b"HTTP/1.1 100 Continue\r\n\r\n" + response(PICTURE)),
}


@pytest.mark.parametrize("name", ARRIVALS)
def test_whole_body_arrives(name: str) -> None:
    end = fetch(ARRIVALS[name])
    assert (Reason.Name(end.reason), end.body) == ("REASON_UNSPECIFIED", PICTURE)


def test_d3_bytes_behind_the_declared_length_are_never_taken_for_the_body() -> None:
    end = fetch(sends(response(PICTURE), b"and more", pause=0.1))
    assert end.body == PICTURE
    at_once = fetch(sends(response(PICTURE) + b"and more"))
    assert at_once.body == PICTURE or at_once.reason == Reason.REASON_BAD_RESPONSE


def test_body_of_exactly_the_cap_arrives() -> None:
    assert fetch(sends(response(bytes(1000))), rules(max_body_bytes=1000)).body == bytes(1000)


def test_request_names_us_and_carries_nothing_else() -> None:
    async def run() -> list[bytes]:
        paths = {
            "/x": sends(response(status="302 Found", Location="/y", Set_Cookie="a=b")),
            "/y": sends(response(PICTURE)),
        }
        async with RawServer(paths) as server:
            await fetch_from(server, "/x", rules(user_agent="tester/1 (+http://t.example)"))
            return server.requests

    first, second = asyncio.run(run())
    assert b"GET /x HTTP/1.1\r\nHost: www.site.example\r\n" in first
    assert b"User-Agent: tester/1 (+http://t.example)\r\n" in first
    assert b"Accept: image/*,*/*;q=0.8\r\n" in first
    assert b"GET /y " in second
    assert not any(name in second.lower() for name in (b"cookie", b"referer", b"authorization"))


def test_path_is_sent_as_it_was_serialised() -> None:
    async def run() -> bytes:
        async with RawServer({}) as server:
            await fetch_from(server, "/a%2fb/%7Ec/ü;d=1?e=%20f&g=[h]|i")
            return server.requests[0]

    assert asyncio.run(run()).startswith(b"GET /a%2fb/%7Ec/%C3%BC;d=1?e=%20f&g=[h]|i HTTP/1.1\r\n")


def test_stray_bytes_in_fields_disturb_nobody() -> None:
    async def run() -> bytes:
        moved = response(status="302 Found", Location="/caf\xe9", X="\xff")
        async with RawServer({"/x": sends(moved), "/caf%E9": sends(response(PICTURE))}) as server:
            return (await fetch_from(server, "/x")).body

    assert asyncio.run(run()) == PICTURE


def test_opt_out_leaves_the_body_unread() -> None:
    head = response(b"", X_Robots_Tag="noai", Content_Length="50000")
    assert fetch(sends(head, PICTURE, pause=5.0)).reason == Reason.REASON_OPT_OUT_HEADER


def test_cancelled_fetch_ends_at_once() -> None:
    async def run() -> float:
        async with RawServer({"/x": silent}) as server:
            task = asyncio.create_task(fetch_from(server, "/x", rules(first_byte_timeout_seconds=30.0)))
            while not server.requests:
                await asyncio.sleep(0.01)
            started = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return time.monotonic() - started

    assert asyncio.run(run()) < 1.0
