"""What a host sees of the fetcher and the gate together (D8, D11, C7), measured at the server."""

from __future__ import annotations

import asyncio
import itertools
import time

from pairmill.clock import SystemClock
from pairmill_downloader.adapters.http import open_fetcher
from pairmill_downloader.fetching.config import FetchConfig, Route
from pairmill_downloader.fetching.gate import PoliteGate
from pairmill_downloader.ports import FetchEnd
from pairmill_protos.common.v1.outcome_pb2 import Reason
from tests.fakes.raw_server import Behaviour, RawServer, response, sends
from tests.integration.downloader.fetching import LOOPBACK, PICTURE, rules

HOST = "www.site.example"


class Visits:
    """Notes when requests came and how many were served at once."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.most = 0
        self._now = 0

    def of(self, answer: bytes, *, takes: float = 0.0) -> Behaviour:
        """Returns a behaviour that is noted."""

        async def behave(writer: asyncio.StreamWriter) -> None:
            self.times.append(time.monotonic())
            self._now += 1
            self.most = max(self.most, self._now)
            await asyncio.sleep(takes)
            writer.write(answer)
            await writer.drain()
            self._now -= 1

        return behave


async def fetch_all(port: int, paths: list[str], **fields: object) -> list[FetchEnd]:
    """Fetches paths of one host through a gate, all at once."""
    clock = SystemClock()
    gate = PoliteGate(clock)
    config = FetchConfig(allowed_networks=(LOOPBACK,), connect_to=(Route(f"example=127.0.0.1:{port}"),))
    given = rules(**{"honour_robots": True, "honour_tdm": True, **fields})
    async with open_fetcher(config, gate, clock) as fetcher:

        async def one(path: str) -> FetchEnd:
            async with gate.turn(HOST, "site.example", given, deadline=clock.monotonic() + 30) as admitted:
                assert admitted
                return await fetcher.fetch(f"http://{HOST}{path}", given)

        return await asyncio.gather(*(one(path) for path in paths))


def test_d11_host_sees_the_delay_and_the_connections_of_the_job() -> None:
    visits = Visits()
    picture = visits.of(response(PICTURE), takes=0.12)
    site = {f"/{n}": picture for n in range(8)}
    site["/robots.txt"] = visits.of(response(status="404 Not Found"))

    async def run() -> list[FetchEnd]:
        async with RawServer(site) as server:
            return await fetch_all(server.port, [f"/{n}" for n in range(8)], host_delay_seconds=0.05)

    ends = asyncio.run(run())
    assert [end.body for end in ends] == [PICTURE] * 8
    assert len(visits.times) == 9
    # A connection may take some of the distance at its start.
    assert all(later - earlier > 0.03 for earlier, later in itertools.pairwise(visits.times))
    assert visits.most <= 2


def test_d8_one_robots_txt_for_many_urls() -> None:
    site = {"/robots.txt": sends(response(b"User-agent: *\nDisallow: /closed/\n"))}
    site |= {f"/{n}": sends(response(PICTURE)) for n in range(5)}

    async def run() -> tuple[list[FetchEnd], list[bytes]]:
        async with RawServer(site) as server:
            paths = [*(f"/{n}" for n in range(5)), "/closed/a"]
            return await fetch_all(server.port, paths, host_delay_seconds=0.0), server.requests

    ends, requests = asyncio.run(run())
    assert [end.reason for end in ends] == [0] * 5 + [Reason.REASON_ROBOTS_DISALLOWED]
    asked = [head.split(b" ")[1] for head in requests]
    assert asked.count(b"/robots.txt") == 1
    assert asked.count(b"/.well-known/tdmrep.json") == 1
    assert b"/closed/a" not in asked


def test_d8_silent_robots_txt_closes_the_host_for_now() -> None:
    async def run() -> list[FetchEnd]:
        async with RawServer({"/robots.txt": sends(b"", b"", pause=5.0)}) as server:
            return await fetch_all(server.port, ["/x"], first_byte_timeout_seconds=0.2)

    assert asyncio.run(run())[0].reason == Reason.REASON_ROBOTS_UNREACHABLE


def test_refused_connection_is_not_blamed_on_robots_txt() -> None:
    async def run() -> list[FetchEnd]:
        async with RawServer({}) as server:
            port = server.port
        return await fetch_all(port, ["/x"])

    assert asyncio.run(run())[0].reason == Reason.REASON_CONNECTION_REFUSED
