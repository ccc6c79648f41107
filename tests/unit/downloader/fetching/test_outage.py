"""Our own outage is not the hosts' failure (U15, D12)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pairmill.clock import SystemClock
from pairmill_downloader.crew import Crew, Means, Orders, OurOutageError
from pairmill_downloader.ends import Round
from pairmill_downloader.fetching.outage import NetworkOutageWatch
from pairmill_downloader.ports import Network
from pairmill_downloader.shards.spill import ImageSpill
from pairmill_downloader.targets import Target
from pairmill_protos.common.v1.outcome_pb2 import Reason
from tests.fakes import download as fake
from tests.fakes.virtual_time import VirtualClock, run_virtually

CANARIES = ("http://one.example/", "http://two.example/")
DNS = Reason.REASON_DNS_ERROR


class Canaries:
    """Answer or not, after a while, and count how often they were asked."""

    def __init__(self, *, answer: bool, seconds: float = 0.0) -> None:
        self.answer = answer
        self.asked = 0
        self._seconds = seconds

    async def __call__(self, url: str) -> bool:
        self.asked += 1
        await asyncio.sleep(self._seconds)
        return self.answer


def fill(
    watch: NetworkOutageWatch, count: int, reason: Reason.ValueType, *, start: int = 0, domains: int = 10_000
) -> None:
    for number in range(start, start + count):
        watch.ended(f"h{number}.example", f"d{number % domains}.example", reason)


def test_d12_many_hosts_failing_alike_without_canaries_is_our_outage() -> None:
    async def test(clock: VirtualClock) -> bool:
        watch = NetworkOutageWatch(clock, (), Canaries(answer=False))
        fill(watch, 60, DNS)
        return await watch.is_our_outage()

    assert run_virtually(test)


def test_few_domains_prove_nothing_without_canaries() -> None:
    async def test(clock: VirtualClock) -> bool:
        watch = NetworkOutageWatch(clock, (), Canaries(answer=False))
        fill(watch, 200, DNS, domains=49)
        return await watch.is_our_outage()

    assert not run_virtually(test)


def test_failures_of_several_classes_prove_nothing() -> None:
    async def test(clock: VirtualClock) -> bool:
        watch = NetworkOutageWatch(clock, (), Canaries(answer=False))
        fill(watch, 100, DNS)
        fill(watch, 100, Reason.REASON_RESET, start=100)
        return await watch.is_our_outage()

    assert not run_virtually(test)


def test_hosts_own_failures_prove_nothing() -> None:
    async def test(clock: VirtualClock) -> bool:
        watch = NetworkOutageWatch(clock, (), Canaries(answer=False))
        fill(watch, 100, Reason.REASON_HTTP_4XX)
        fill(watch, 100, Reason.REASON_DNS_NOT_FOUND, start=100)
        return await watch.is_our_outage()

    assert not run_virtually(test)


def test_resolver_that_denies_every_name_is_our_outage() -> None:
    async def test(clock: VirtualClock) -> bool:
        watch = NetworkOutageWatch(clock, (), Canaries(answer=False))
        fill(watch, 30, Reason.REASON_DNS_NOT_FOUND)
        fill(watch, 30, DNS, start=30)
        return await watch.is_our_outage()

    assert run_virtually(test)


@pytest.mark.parametrize("reason", [DNS, Reason.REASON_DNS_NOT_FOUND])
def test_unit_of_whose_hosts_no_name_is_found_ends_as_our_outage(
    reason: Reason.ValueType, tmp_path: Path
) -> None:
    urls = [f"https://h{number}.test/1.jpg" for number in range(60)]
    fetcher = fake.ScriptedFetcher({url: [fake.refused(reason)] for url in urls})
    clock, job = SystemClock(), fake.spec()
    watch = NetworkOutageWatch(clock, (), Canaries(answer=False))
    with ImageSpill(tmp_path / "images") as spill:
        crew = Crew(
            orders=Orders(
                download=job.download,
                image=job.image,
                place=Round(number=0, rounds=3),
                deadline_seconds=60.0,
            ),
            means=Means(
                network=Network(fetcher=fetcher, gate=fake.JournalGate(), watch=watch),
                examiner=fake.LocalExaminer(),
                observer=fake.CountingObserver(),
                monotonic=clock.monotonic,
            ),
            spill=spill,
        )
        targets = [Target(url=url, host=url[8:-6], domain=url[8:-6], rows=(0,)) for url in urls]
        with pytest.raises(OurOutageError):
            asyncio.run(crew.work(targets))


def test_one_host_counts_once() -> None:
    async def test(clock: VirtualClock) -> bool:
        watch = NetworkOutageWatch(clock, (), Canaries(answer=False))
        for number in range(1000):
            watch.ended("a.example", f"{number}.example", DNS)
        return await watch.is_our_outage()

    assert not run_virtually(test)


def test_only_the_last_two_hundred_hosts_count() -> None:
    async def test(clock: VirtualClock) -> bool:
        watch = NetworkOutageWatch(clock, (), Canaries(answer=False))
        fill(watch, 500, Reason.REASON_UNSPECIFIED)
        fill(watch, 200, DNS, start=500)
        return await watch.is_our_outage()

    assert run_virtually(test)


def test_ninety_of_a_hundred_are_not_enough_without_canaries() -> None:
    async def test(clock: VirtualClock) -> bool:
        watch = NetworkOutageWatch(clock, (), Canaries(answer=False))
        fill(watch, 90, DNS)
        fill(watch, 10, Reason.REASON_HTTP_4XX, start=90)
        return await watch.is_our_outage()

    assert not run_virtually(test)


def test_ninety_of_a_hundred_are_enough_where_the_canaries_are_silent_too() -> None:
    async def test(clock: VirtualClock) -> tuple[bool, int]:
        canaries = Canaries(answer=False)
        watch = NetworkOutageWatch(clock, CANARIES, canaries)
        fill(watch, 10, Reason.REASON_HTTP_4XX)
        fill(watch, 90, DNS, start=10)
        return await watch.is_our_outage(), canaries.asked

    assert run_virtually(test) == (True, 2)


def test_canary_that_answers_has_the_last_word_and_is_not_pestered() -> None:
    async def test(clock: VirtualClock) -> int:
        canaries = Canaries(answer=True)
        watch = NetworkOutageWatch(clock, CANARIES, canaries)
        fill(watch, 200, DNS)
        for _ in range(50):
            assert not await watch.is_our_outage()
        clock.sleep(6.0)
        assert not await watch.is_our_outage()
        return canaries.asked

    assert run_virtually(test) == 2


@pytest.mark.parametrize(("answer", "asked"), [(True, 1), (False, len(CANARIES))])
def test_canaries_are_asked_once_for_all_who_suspect_at_once(answer: bool, asked: int) -> None:
    async def test(clock: VirtualClock) -> tuple[list[bool], int]:
        canaries = Canaries(answer=answer, seconds=3.0)
        watch = NetworkOutageWatch(clock, CANARIES, canaries)
        fill(watch, 200, DNS)
        return await asyncio.gather(*(watch.is_our_outage() for _ in range(50))), canaries.asked

    assert run_virtually(test) == ([not answer] * 50, asked)


def test_canaries_are_left_alone_without_suspicion() -> None:
    async def test(clock: VirtualClock) -> int:
        canaries = Canaries(answer=False)
        watch = NetworkOutageWatch(clock, CANARIES, canaries)
        fill(watch, 200, Reason.REASON_UNSPECIFIED)
        assert not await watch.is_our_outage()
        return canaries.asked

    assert run_virtually(test) == 0


def test_verdict_stands_for_a_while_and_then_takes_new_evidence() -> None:
    async def test(clock: VirtualClock) -> list[bool]:
        watch = NetworkOutageWatch(clock, (), Canaries(answer=False))
        fill(watch, 60, DNS)
        verdicts = [await watch.is_our_outage(), await watch.is_our_outage()]
        clock.sleep(31.0)
        return [*verdicts, await watch.is_our_outage()]

    assert run_virtually(test) == [True, True, False]


def test_answer_of_any_host_ends_the_outage() -> None:
    async def test(clock: VirtualClock) -> list[bool]:
        watch = NetworkOutageWatch(clock, (), Canaries(answer=False))
        fill(watch, 60, DNS)
        verdict = await watch.is_our_outage()
        watch.ended("x.example", "x.example", Reason.REASON_HTTP_4XX)
        return [verdict, await watch.is_our_outage()]

    assert run_virtually(test) == [True, False]


NO_REQUEST = (Reason.REASON_ROBOTS_DISALLOWED, Reason.REASON_OPT_OUT_TDM, Reason.REASON_BLOCKED_PORT)


@pytest.mark.parametrize("reason", NO_REQUEST)
def test_refusal_that_needs_no_request_does_not_end_the_outage(reason: Reason.ValueType) -> None:
    async def test(clock: VirtualClock) -> list[bool]:
        watch = NetworkOutageWatch(clock, (), Canaries(answer=False))
        fill(watch, 60, DNS)
        verdict = await watch.is_our_outage()
        watch.ended("x.example", "x.example", reason)
        return [verdict, await watch.is_our_outage()]

    assert run_virtually(test) == [True, True]


@pytest.mark.parametrize("reason", NO_REQUEST)
def test_refusals_that_need_no_request_hide_no_outage(reason: Reason.ValueType) -> None:
    async def test(clock: VirtualClock) -> bool:
        watch = NetworkOutageWatch(clock, (), Canaries(answer=False))
        fill(watch, 90, DNS)
        fill(watch, 10, reason, start=90)
        return await watch.is_our_outage()

    assert run_virtually(test)


def test_d12_a_machine_without_a_route_blames_no_host() -> None:
    async def test(clock: VirtualClock) -> tuple[bool, bool]:
        watch = NetworkOutageWatch(clock, (), Canaries(answer=False), lambda host: host != "far.example")
        watch.ended("near.example", "near.example", DNS)
        near = await watch.is_our_outage()
        watch.ended("far.example", "far.example", DNS)
        return near, await watch.is_our_outage()

    assert run_virtually(test) == (False, True)


def test_d12_an_answer_without_a_route_is_no_outage() -> None:
    """A proxy or a route of the job's own may reach what the routing table does not."""

    async def test(clock: VirtualClock) -> bool:
        watch = NetworkOutageWatch(clock, (), Canaries(answer=False), lambda host: False)
        watch.ended("far.example", "far.example", Reason.REASON_HTTP_4XX)
        return await watch.is_our_outage()

    assert not run_virtually(test)
