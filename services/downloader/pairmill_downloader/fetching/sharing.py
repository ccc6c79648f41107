"""What is fetched once for all who ask: a cache with a bound, a time to live and one fetch at a time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

from pairmill.clock import Clock


class Shared(Protocol):
    """Something to share."""

    @property
    def weight(self) -> int:
        """Memory held, roughly, bytes."""
        ...

    @property
    def lives_seconds(self) -> float:
        """How long it may be used."""
        ...


T = TypeVar("T", bound=Shared)


class _Entry(NamedTuple, Generic[T]):
    value: T
    expires_at: float


class SharedCache(Generic[T]):
    """Values by key, the least recently used dropped first. Used from one event loop."""

    def __init__(self, clock: Clock, max_bytes: int) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[str, _Entry[T]] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[T]] = {}

    def known(self, key: str) -> T | None:
        """Returns the value if it is there and may be used."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires_at <= self._clock.monotonic():
            self._forget(key)
            return None
        self._entries.move_to_end(key)
        return entry.value

    async def fetched(self, key: str, fetch: Callable[[], Awaitable[T]]) -> T:
        """Returns the value that one fetch gives to all who wait; whoever is cancelled disturbs nobody."""
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.ensure_future(self._run(key, fetch))
            self._under_way[key] = task
            task.add_done_callback(_look_at)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Cancels what is under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: str, fetch: Callable[[], Awaitable[T]]) -> T:
        try:
            value = await fetch()
        finally:
            del self._under_way[key]
        self._keep(key, value)
        return value

    def _keep(self, key: str, value: T) -> None:
        self._forget(key)
        self._entries[key] = _Entry(value, self._clock.monotonic() + value.lives_seconds)
        self._bytes += value.weight + len(key)
        while self._bytes > self._max_bytes and len(self._entries) > 1:
            self._forget(next(iter(self._entries)))

    def _forget(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.value.weight + len(key)


def _look_at(task: asyncio.Task[T]) -> None:
    """An error that nobody waits for any more is nobody's."""
    if not task.cancelled():
        task.exception()
