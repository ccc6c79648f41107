"""What of a name's addresses is dialled, and for how long an answer is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from pairmill_downloader.adapters.resolver import CheckedResolver, Lookup, ResolutionError
from pairmill_downloader.fetching.addresses import AddressPolicy
from pairmill_protos.common.v1.outcome_pb2 import Reason
from tests.fakes.virtual_time import VirtualClock, run_virtually


class Answer:
    """A lookup with one answer."""

    def __init__(self, addresses: Sequence[str], *, denies: bool = False) -> None:
        self._addresses = addresses
        self.denies = denies

    async def addresses(self, host: str) -> Sequence[str]:
        if self.denies:
            raise ResolutionError(Reason.REASON_DNS_NOT_FOUND, "as told")
        return self._addresses

    def close(self) -> None:
        """Has nothing to give back."""


class Slow:
    """A lookup that takes its time for slow names; notes how many it looks up at once."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0

    async def addresses(self, host: str) -> Sequence[str]:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(30.0 if host.startswith("slow") else 0.5)
        finally:
            self.now -= 1
        return ["8.8.8.8"]

    def close(self) -> None:
        """Has nothing to give back."""


def resolver_of(lookup: Lookup, clock: VirtualClock) -> CheckedResolver:
    return CheckedResolver(
        lookup, AddressPolicy(), clock, timeout_seconds=1.0, ttl_seconds=60.0, cache_entries=10, at_once=2
    )


def resolved(answer: Sequence[str]) -> list[str]:
    async def test(clock: VirtualClock) -> list[str]:
        results = await resolver_of(Answer(answer), clock).resolve("a.example", 80)
        return [result["host"] for result in results]

    return run_virtually(test)


def test_of_an_answer_with_thousands_of_addresses_a_few_of_each_family_are_dialled() -> None:
    v4 = [f"8.8.{number >> 8}.{number & 255}" for number in range(4000)]
    v6 = [f"2606:4700::{number:x}" for number in range(1, 4000)]
    assert resolved([*v6, *v4]) == v6[:4] + v4[:4]


def test_addresses_of_a_short_answer_are_dialled_in_its_order() -> None:
    assert resolved(["2606:4700::1", "8.8.8.8", "8.8.8.8", "2606:4700::2"]) == [
        "2606:4700::1",
        "8.8.8.8",
        "2606:4700::2",
    ]


def test_u15_denial_by_a_resolver_that_was_cut_off_is_soon_forgotten() -> None:
    async def test(clock: VirtualClock) -> int:
        answer = Answer(["8.8.8.8"], denies=True)
        resolver = resolver_of(answer, clock)
        with pytest.raises(ResolutionError):
            await resolver.resolve("a.example", 80)
        answer.denies = False
        clock.sleep(2.0)
        return len(await resolver.resolve("a.example", 80))

    assert run_virtually(test) == 1


def test_name_that_waits_for_slow_ones_is_not_blamed() -> None:
    async def test(clock: VirtualClock) -> tuple[list[str], int, float]:
        lookup = Slow()
        resolver = resolver_of(lookup, clock)
        names = ("slow1.example", "slow2.example", "slow3.example", "good.example")
        ends = await asyncio.gather(*map(resolver.look_up, names), return_exceptions=True)
        failed = [str(end) for end in ends if end is not None]
        return failed, lookup.most, clock.monotonic()

    failed, most, ended = run_virtually(test)
    assert failed == ["no answer in 1 s"] * 3
    assert most == 2
    assert ended == pytest.approx(31.0)


def test_close_ends_lookups_that_were_given_up() -> None:
    async def test(clock: VirtualClock) -> int:
        lookup = Slow()
        resolver = resolver_of(lookup, clock)
        with pytest.raises(ResolutionError):
            await resolver.look_up("slow.example")
        await resolver.close()
        await asyncio.sleep(0.0)
        return lookup.now

    assert run_virtually(test) == 0
