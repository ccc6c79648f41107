"""Callers that take too much, or never finish, do not keep others waiting."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from pairmill_explorer.rpc.work import WorkConfig
from pairmill_protos.explorer.v1.search_service_pb2 import GetFunnelRequest
from pairmill_protos.explorer.v1.search_service_pb2_grpc import SearchServiceStub
from tests.fakes.explorer_desks import FakeDesk
from tests.fakes.explorer_served import SECONDS, Explored, exploring
from tests.fakes.processes import wait_until
from tests.fakes.rpc import TokenFile

SEARCH = "SearchService/Search"


class Gate:
    """Lets nobody through until it is opened."""

    def __init__(self) -> None:
        self.opened, self.inside = threading.Event(), 0
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self.inside += 1
        self.opened.wait(SECONDS)


def test_h4_a_token_has_so_many_calls_a_minute_over_both_ways(tokens: TokenFile) -> None:
    with exploring(tokens, work=WorkConfig(calls_per_minute=4)) as served:
        assert [served.call(SEARCH, {}, caller="read").status for _ in range(3)] == [200] * 3
        with grpc.insecure_channel(served.target) as channel:
            stub = SearchServiceStub(channel)
            stub.GetFunnel(GetFunnelRequest(), timeout=SECONDS, metadata=served.metadata("read"))
            with pytest.raises(grpc.RpcError) as caught:
                stub.GetFunnel(GetFunnelRequest(), timeout=SECONDS, metadata=served.metadata("read"))
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        refused = served.call(SEARCH, {}, caller="read")
        assert (refused.status, refused.headers["Retry-After"]) == (429, "15")
        assert served.call(SEARCH, {}, caller="operate").status == 200
        assert served.ask("GET", "/api/v1/images/demo/1", caller="read").status == 200
        assert served.measured("pairmill_refused_calls_total", cause="quota") == 2.0


def test_h4_a_caller_whose_requests_hang_leaves_places_to_others(tokens: TokenFile) -> None:
    gate = Gate()
    desk = FakeDesk(before_answer=gate)
    work = WorkConfig(threads=3, calls_per_minute=0)
    with (
        exploring(tokens, desk, http={"max_requests_per_caller": 2}, work=work) as served,
        ThreadPoolExecutor(2) as pool,
    ):
        hanging = [pool.submit(served.call, SEARCH, {}, caller="read") for _ in range(2)]
        wait_until(lambda: gate.inside == 2)
        refused = served.call(SEARCH, {}, caller="read")
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        desk.before_answer = lambda: None
        assert served.call(SEARCH, {}, caller="operate").status == 200
        gate.opened.set()
        assert [one.result().status for one in hanging] == [200, 200]


def test_h4_more_than_can_wait_are_told_to_come_again(tokens: TokenFile) -> None:
    gate = Gate()
    work = WorkConfig(threads=1, waiting=2, calls_per_minute=0)
    with exploring(tokens, FakeDesk(before_answer=gate), work=work) as served, ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(served.call, SEARCH, {}, caller="read") for _ in range(3)]
        wait_until(lambda: served.measured("pairmill_work_calls") == 3.0)
        refused = served.call(SEARCH, {}, caller="admin")
        assert (refused.status, refused.json["code"]) == (429, "RESOURCE_EXHAUSTED")
        with grpc.insecure_channel(served.target) as channel, pytest.raises(grpc.RpcError) as caught:
            SearchServiceStub(channel).GetFunnel(
                GetFunnelRequest(), timeout=SECONDS, metadata=served.metadata("admin")
            )
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        gate.opened.set()
        assert [one.result().status for one in waiting] == [200] * 3
        assert served.measured("pairmill_refused_calls_total", cause="work") == 2.0


def test_h4_a_request_that_takes_too_long_is_answered_and_what_waits_does_not_begin(
    tokens: TokenFile,
) -> None:
    gate = Gate()
    work = WorkConfig(threads=1, calls_per_minute=0)
    desk = FakeDesk(before_answer=gate)
    with (
        exploring(tokens, desk, http={"timeout_seconds": 0.5}, work=work) as served,
        ThreadPoolExecutor(2) as pool,
    ):
        late = [pool.submit(served.call, SEARCH, {}, caller="read") for _ in range(2)]
        assert [one.result().status for one in late] == [504, 504]
        gate.opened.set()
        wait_until(lambda: served.measured("pairmill_work_calls") == 0.0)
        assert len(desk.asked) == 1


def test_h4_pictures_do_not_wait_for_calls_nor_calls_for_pictures(tokens: TokenFile) -> None:
    calls, pictures = Gate(), Gate()
    desk = FakeDesk(before_answer=calls, before_picture=pictures)
    work = WorkConfig(threads=2, picture_threads=2, waiting=2, calls_per_minute=0)
    picture = "/api/v1/images/demo/1"
    with exploring(tokens, desk, work=work) as served, ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(served.ask, "GET", picture, caller="read") for _ in range(3)]
        wait_until(lambda: served.measured("pairmill_work_pictures") == 3.0)
        desk.before_answer = lambda: None
        assert served.call(SEARCH, {}, caller="read").status == 200
        desk.before_answer = calls
        waiting += [pool.submit(served.call, SEARCH, {}, caller="read") for _ in range(3)]
        wait_until(lambda: served.measured("pairmill_work_calls") == 3.0)
        pictures.opened.set()
        assert [one.result().status for one in waiting[:3]] == [200] * 3
        assert served.ask("GET", picture, caller="read").status == 200
        calls.opened.set()
        assert [one.result().status for one in waiting[3:]] == [200] * 3


def test_h4_connections_have_places_in_all_and_by_address(tokens: TokenFile) -> None:
    with exploring(tokens, http={"max_connections": 6, "max_connections_per_address": 4}) as served:
        open_ones = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(4)]
        wait_until(lambda: served.measured("pairmill_http_connections") == 4.0)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            served.ask("GET", "/healthz")
        for one in open_ones:
            one.close()
        wait_until(lambda: served.measured("pairmill_http_connections") == 0.0)
        assert served.ask("GET", "/healthz").status == 200


def test_h4_thousands_of_connections_leave_the_others_served(tokens: TokenFile) -> None:
    """They come in a flood from one address; whoever has one keeps it."""
    with exploring(tokens, http={"max_connections_per_address": 50}) as served:
        kept = served.connection()
        kept.request("GET", "/healthz")
        assert kept.getresponse().read() == b"ok\n"
        held = []
        for _ in range(3_000):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", served.port))
            held.append(one)
            if len(held) > 200:
                held.pop(0).close()
        for _ in range(20):
            kept.request("GET", "/healthz")
            assert kept.getresponse().read() == b"ok\n"
        for one in held:
            one.close()
        wait_until(lambda: (served.measured("pairmill_http_connections") or 0.0) <= 1.0)
        kept.close()


def test_h4_who_never_finishes_a_request_is_cut_off(tokens: TokenFile) -> None:
    limits = {"first_request_seconds": 0.5, "timeout_seconds": 1.0}
    with exploring(tokens, http=limits) as served:
        mute = socket.create_connection(("127.0.0.1", served.port), timeout=SECONDS)
        slow = socket.create_connection(("127.0.0.1", served.port), timeout=SECONDS)
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        assert is_cut(mute)
        assert is_cut(slow)
        body = socket.create_connection(("127.0.0.1", served.port), timeout=SECONDS)
        token = served.tokens.tokens["read"] if served.tokens else ""
        body.sendall(
            f"POST /knn-service HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n"
            "Content-Length: 1000\r\n\r\n{".encode()
        )
        assert body.recv(100).startswith(b"HTTP/1.1 504 ")
        body.close()


def test_h4_a_reader_that_stops_reading_holds_its_own_place_only(tokens: TokenFile) -> None:
    limits = {"timeout_seconds": 0.5, "reading_seconds": 1.0, "idle_seconds": 1.0}
    with exploring(tokens, http=limits) as served:
        stalled = socket.socket()
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.connect(("127.0.0.1", served.port))
        body = json.dumps({"num_images": 200_000, "text": "a"}).encode()
        assert served.tokens is not None
        stalled.sendall(
            f"POST /knn-service HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {served.tokens.tokens['read']}"
            f"\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        started = time.monotonic()
        assert served.call(SEARCH, {}, caller="operate").status == 200
        assert time.monotonic() - started < SECONDS
        wait_until(lambda: served.measured("pairmill_http_connections") == 0.0)
        stalled.close()


def test_h2_bodies_that_come_at_once_are_bounded_together(tokens: TokenFile) -> None:
    limits = {"max_body_bytes": 2**20, "max_bodies_bytes": 2**20 + 2**19}
    with exploring(tokens, http=limits) as served:
        first = _half_a_body(served, 2**20 - 1, b"x" * (2**20 - 2))
        second = _half_a_body(served, 2**20 - 1, b"x" * (2**20 - 2))
        second.settimeout(SECONDS)
        assert second.recv(100).startswith(b"HTTP/1.1 429 ")
        first.close()
        second.close()
        wait_until(lambda: served.call(SEARCH, {"dataset": "x" * 700_000}, caller="read").status == 404)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ("Transfer-Encoding: chunked", b"xx\r\n{}\r\n0\r\n\r\n"),
        ("Content-Encoding: gzip\r\nContent-Length: 6", b"\x1f\x8b\x08\x00\x00\x00"),
        ("Content-Length: 2", b"\xff\xff"),
    ],
    ids=["no chunks", "packed", "no text"],
)
def test_h2_a_body_that_is_none_is_refused(local: Explored, headers: str, body: bytes) -> None:
    connection = socket.create_connection(("127.0.0.1", local.port), timeout=SECONDS)
    connection.sendall(f"POST /knn-service HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n".encode() + body)
    said = connection.recv(100)
    connection.close()
    assert said[:13] in (b"HTTP/1.1 400 ", b"HTTP/1.0 400 ")
    assert local.ask("GET", "/healthz").status == 200


def test_who_goes_before_the_end_is_counted_and_no_fault(served: Explored) -> None:
    _half_a_body(served, 100, b"{").close()
    labels = {"route": "clip/knn-service", "status": "499"}
    wait_until(lambda: served.measured("pairmill_http_requests_total", **labels) == 1.0)


def test_a_stop_lets_requests_at_work_finish(tokens: TokenFile) -> None:
    gate = Gate()
    with ThreadPoolExecutor(1) as pool:
        with exploring(tokens, FakeDesk(before_answer=gate)) as served:
            running = pool.submit(served.call, SEARCH, {}, caller="read")
            wait_until(lambda: gate.inside == 1)
            port = served.port
            threading.Timer(0.3, gate.opened.set).start()
        assert running.result().status == 200
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def is_cut(connection: socket.socket) -> bool:
    """Waits until the other side closes a connection."""
    with contextlib.suppress(ConnectionError):
        while connection.recv(1000):
            pass
    connection.close()
    return True


def _half_a_body(served: Explored, size: int, sent: bytes) -> socket.socket:
    assert served.tokens is not None
    connection = socket.create_connection(("127.0.0.1", served.port), timeout=SECONDS)
    connection.sendall(
        f"POST /knn-service HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {served.tokens.tokens['read']}"
        f"\r\nContent-Length: {size}\r\n\r\n".encode()
        + sent
    )
    return connection
