"""What is fetched once for all who ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from pairmill_downloader.fetching.sharing import SharedCache
from tests.fakes.virtual_time import VirtualClock, run_virtually


@dataclass(frozen=True)
class Value:
    """Something to share."""

    number: int
    weight: int = 10
    lives_seconds: float = 60.0


class Source:
    """Makes values in a second, and counts them."""

    def __init__(self) -> None:
        self.made = 0

    def of(self, weight: int = 10) -> Callable[[], Awaitable[Value]]:
        async def make() -> Value:
            await asyncio.sleep(1.0)
            self.made += 1
            return Value(self.made, weight)

        return make


def test_all_who_wait_share_one_fetch() -> None:
    async def test(clock: VirtualClock) -> int:
        cache, source = SharedCache[Value](clock, 1000), Source()
        values = await asyncio.gather(*(cache.fetched("a", source.of()) for _ in range(5)))
        assert {value.number for value in values} == {1}
        return source.made

    assert run_virtually(test) == 1


def test_value_is_known_as_long_as_it_lives() -> None:
    async def test(clock: VirtualClock) -> list[bool]:
        cache, source = SharedCache[Value](clock, 1000), Source()
        known = [cache.known("a") is not None]
        await cache.fetched("a", source.of())
        for seconds in (59.0, 1.5):
            clock.sleep(seconds)
            known.append(cache.known("a") is not None)
        return known

    assert run_virtually(test) == [False, True, False]


def test_least_recently_used_is_dropped_first() -> None:
    async def test(clock: VirtualClock) -> list[bool]:
        cache, source = SharedCache[Value](clock, 35), Source()  # a value and its key weigh 11
        for key in "abc":
            await cache.fetched(key, source.of())
        cache.known("a")
        await cache.fetched("d", source.of())
        return [cache.known(key) is not None for key in "abcd"]

    assert run_virtually(test) == [True, False, True, True]


def test_value_over_the_bound_is_kept_until_the_next() -> None:
    async def test(clock: VirtualClock) -> list[bool]:
        cache, source = SharedCache[Value](clock, 35), Source()
        await cache.fetched("big", source.of(weight=500))
        known = [cache.known("big") is not None]
        await cache.fetched("small", source.of())
        return [*known, cache.known("big") is not None, cache.known("small") is not None]

    assert run_virtually(test) == [True, False, True]


def test_whoever_is_cancelled_disturbs_nobody() -> None:
    async def test(clock: VirtualClock) -> int:
        cache, source = SharedCache[Value](clock, 1000), Source()
        first = asyncio.create_task(cache.fetched("a", source.of()))
        second = asyncio.create_task(cache.fetched("a", source.of()))
        await asyncio.sleep(0.5)
        first.cancel()
        return (await second).number

    assert run_virtually(test) == 1


def test_error_reaches_all_and_is_not_kept() -> None:
    async def broken() -> Value:
        await asyncio.sleep(1.0)
        raise OSError("gone")

    async def test(clock: VirtualClock) -> int:
        cache = SharedCache[Value](clock, 1000)
        both = await asyncio.gather(
            cache.fetched("a", broken), cache.fetched("a", broken), return_exceptions=True
        )
        assert all(isinstance(error, OSError) for error in both)
        return (await cache.fetched("a", Source().of())).number

    assert run_virtually(test) == 1


def test_close_ends_what_is_under_way() -> None:
    async def test(clock: VirtualClock) -> None:
        cache = SharedCache[Value](clock, 1000)
        waiting = asyncio.create_task(cache.fetched("a", Source().of()))
        await asyncio.sleep(0.5)
        await cache.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run_virtually(test)
