"""The address that is dialled is the one that was checked (C1, C3, C4, C5, C11, D12)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from pairmill.clock import SystemClock
from pairmill_downloader.adapters.http import open_fetcher
from pairmill_downloader.fetching.config import FetchConfig, Network, Route
from pairmill_downloader.ports import FetchEnd
from pairmill_protos.common.v1.outcome_pb2 import Reason
from tests.fakes.fetching import NotingGate
from tests.fakes.raw_server import RawServer, response, sends
from tests.integration.downloader.fetching import LOOPBACK, PICTURE, Names, fetch_by_name, fetch_from, rules

SITE = {"/x": sends(response(PICTURE))}
ONE_ADDRESS = Network("127.0.0.9/32")  # nobody listens there


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "[::ffff:7f00:1]", "localhost"])
def test_c1_c2_no_packet_reaches_an_address_that_is_not_public(host: str) -> None:
    async def run() -> tuple[list[FetchEnd], int]:
        async with RawServer(SITE) as server:
            names = Names({"localhost": [["127.0.0.1", "::1"]]})
            return await fetch_by_name(f"http://{host}:{server.port}/x", names), server.connections

    (end,), connections = asyncio.run(run())
    assert (Reason.Name(end.reason), connections) == ("REASON_BLOCKED_ADDRESS", 0)


def test_c11_name_of_a_service_of_our_own_cluster_is_blocked() -> None:
    names = Names({"minio.pairmill.svc.cluster.local": [["10.96.14.2"]], "kafka": [["fd00:10:96::9"]]})
    urls = ("http://minio.pairmill.svc.cluster.local:9000/x", "http://kafka:8080/x")
    ends = [asyncio.run(fetch_by_name(url, names))[0] for url in urls]
    assert [end.reason for end in ends] == [Reason.REASON_BLOCKED_ADDRESS] * 2


def test_c1_route_does_not_lead_to_what_is_not_allowed() -> None:
    async def run() -> tuple[FetchEnd, int]:
        async with RawServer(SITE) as server:
            config = FetchConfig(connect_to=(Route(f"example=127.0.0.1:{server.port}"),))
            async with open_fetcher(config, NotingGate(), SystemClock()) as fetcher:
                return await fetcher.fetch("http://a.example/x", rules()), server.connections

    end, connections = asyncio.run(run())
    assert (end.reason, connections) == (Reason.REASON_BLOCKED_ADDRESS, 0)


def test_c3_name_that_turns_private_is_blocked_when_it_is_dialled() -> None:
    """Answers are not kept here: each request asks once ahead of itself, and once to dial."""

    async def run() -> tuple[list[FetchEnd], int]:
        async with RawServer(SITE) as server:
            names = Names({"a.example": [*[["127.0.0.1"]] * 3, ["10.0.0.1"]]})
            ends = await fetch_by_name(
                f"http://a.example:{server.port}/x", names, LOOPBACK, times=2, ttl_seconds=0.0
            )
            return ends, server.connections

    ends, connections = asyncio.run(run())
    assert [end.reason for end in ends] == [0, Reason.REASON_BLOCKED_ADDRESS]
    assert connections == 1


def test_c4_private_one_of_several_addresses_is_never_dialled() -> None:
    async def run() -> tuple[list[FetchEnd], int]:
        async with RawServer(SITE) as server:
            names = Names({"a.example": [["127.0.0.1", "127.0.0.9"]]})
            url = f"http://a.example:{server.port}/x"
            return await fetch_by_name(url, names, ONE_ADDRESS), server.connections

    (end,), connections = asyncio.run(run())
    assert (Reason.Name(end.reason), connections) == ("REASON_CONNECTION_REFUSED", 0)


def test_c5_redirect_to_a_private_address_is_blocked() -> None:
    async def run() -> tuple[FetchEnd, int]:
        private = "http://127.0.0.1:{}/x"
        async with RawServer(SITE) as inner:
            location = private.format(inner.port)
            moved = {"/x": sends(response(status="302 Found", Location=location))}
            async with RawServer(moved, address="127.0.0.2") as outer:
                config = FetchConfig(
                    allowed_networks=(Network("127.0.0.2/32"),),
                    connect_to=(Route(f"example=127.0.0.2:{outer.port}"),),
                )
                async with open_fetcher(config, NotingGate(), SystemClock()) as fetcher:
                    return await fetcher.fetch("http://a.example/x", rules()), inner.connections

    end, connections = asyncio.run(run())
    assert connections == 0
    assert end.reason == Reason.REASON_BLOCKED_REDIRECT


def test_d12_failures_of_the_resolver() -> None:
    async def run() -> list[FetchEnd]:
        gone, late = Reason.REASON_DNS_NOT_FOUND, Reason.REASON_DNS_ERROR
        names = Names({"gone.example": [gone], "late.example": [late]})
        return [
            *await fetch_by_name("http://gone.example/x", names, times=3),
            *await fetch_by_name("http://late.example/x", names),
        ]

    reasons = [end.reason for end in asyncio.run(run())]
    assert reasons == [Reason.REASON_DNS_NOT_FOUND] * 3 + [Reason.REASON_DNS_ERROR]


def test_d12_resolver_that_does_not_answer_is_a_failure_of_resolution() -> None:
    class Silent(Names):
        async def addresses(self, host: str) -> list[str]:
            await asyncio.sleep(60.0)
            return []

    async def run() -> FetchEnd:
        config = FetchConfig(dns_timeout_seconds=0.1)
        async with open_fetcher(config, NotingGate(), SystemClock(), lookup=Silent({})) as fetcher:
            return await fetcher.fetch("http://a.example/x", rules())

    assert asyncio.run(run()).reason == Reason.REASON_DNS_ERROR


def test_d12_wait_behind_slow_names_is_no_failure_of_a_host() -> None:
    class SlowOnes(Names):
        async def addresses(self, host: str) -> Sequence[str]:
            await asyncio.sleep(0.7 if host == "slow.example" else 0.0)  # longer than a connection may take
            return ["127.0.0.1"]

    async def run() -> list[FetchEnd]:
        async with RawServer(SITE) as server:
            config = FetchConfig(allowed_networks=(LOOPBACK,), dns_threads=1, dns_timeout_seconds=0.1)
            async with open_fetcher(config, NotingGate(), SystemClock(), lookup=SlowOnes({})) as fetcher:
                urls = [f"http://{host}:{server.port}/x" for host in ("slow.example", "good.example")]
                return await asyncio.gather(*(fetcher.fetch(url, rules()) for url in urls))

    slow, good = asyncio.run(run())
    assert slow.reason == Reason.REASON_DNS_ERROR
    assert (good.reason, good.body) == (0, PICTURE)


def test_answers_of_the_resolver_are_kept_for_their_time() -> None:
    names = Names({"gone.example": [Reason.REASON_DNS_NOT_FOUND]})
    asyncio.run(fetch_by_name("http://gone.example/x", names, times=3))
    assert names.asked == ["gone.example"]


def test_lookup_is_closed_with_the_fetcher() -> None:
    names = Names({"gone.example": [Reason.REASON_DNS_NOT_FOUND]})
    asyncio.run(fetch_by_name("http://gone.example/x", names))
    assert names.closed


def test_routes_may_say_that_a_name_does_not_resolve() -> None:
    async def run() -> list[FetchEnd]:
        config = FetchConfig(connect_to=(Route("gone.example=nxdomain"), Route("late.example=servfail")))
        async with open_fetcher(config, NotingGate(), SystemClock()) as fetcher:
            hosts = ("a.gone.example", "gone.example", "b.late.example")
            return [await fetcher.fetch(f"http://{host}/x", rules()) for host in hosts]

    reasons = [end.reason for end in asyncio.run(run())]
    assert reasons == [Reason.REASON_DNS_NOT_FOUND, Reason.REASON_DNS_NOT_FOUND, Reason.REASON_DNS_ERROR]


def test_proxies_of_the_environment_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> tuple[FetchEnd, int]:
        async with RawServer({}) as proxy, RawServer(SITE) as server:
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
            return await fetch_from(server, "/x"), proxy.connections

    end, connections = asyncio.run(run())
    assert (end.body, connections) == (PICTURE, 0)
