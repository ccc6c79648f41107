"""Whether a loop is alive, and whether it takes work: what the admin port asks, from a thread of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from pairmill.bus.port import Message, TopicPartition
from pairmill.clock import Clock
from pairmill.errors import RetriableError
from pairmill.stage.breaker import Breaker
from pairmill.stage.outage import Outage

_LIVE_SECONDS: Final = 60.0


class LoopHealth:
    """Keeps when a loop last turned, and since when partitions withhold what waits on them.

    A partition is silent while messages wait on it, nothing of it is in hand, and nothing is delivered.
    Tasks in hand are our own doing, however long they take, and so are outages and the breaker: what is
    left is a consumer that has stopped without saying so, which a restart heals.
    """

    def __init__(self, clock: Clock, breaker: Breaker, outage: Outage, max_silence_seconds: float) -> None:
        self._clock = clock
        self._breaker = breaker
        self._outage = outage
        self._max_silence = max_silence_seconds
        self._last_turn = clock.monotonic()
        self._in_group = False
        self._silent_since: dict[TopicPartition, float] = {}

    # Told by the loop

    def turned(self) -> None:
        """The loop begins a turn."""
        self._last_turn = self._clock.monotonic()

    def joined(self) -> None:
        """The process is in its group."""
        self._in_group = True

    def delivered(self, messages: Iterable[Message]) -> None:
        """Messages came."""
        silent = dict(self._silent_since)
        for message in messages:
            silent.pop(message.source, None)
        self._silent_since = silent  # replaced whole: another thread may be reading it

    def looked(self, lag: Mapping[TopicPartition, int], in_hand: Collection[TopicPartition]) -> None:
        """The owned partitions have this lag, and tasks of these are in hand."""
        now = self._clock.monotonic()
        self._silent_since = {
            source: self._silent_since.get(source, now)
            for source, waiting in lag.items()
            if waiting > 0 and source not in in_hand
        }

    def failed(self, error: RetriableError) -> None:
        """Bus or store cannot be used: an outage, after which no partition has been silent yet."""
        self._outage.note(error)
        self._silent_since = {}

    # Asked by the admin port

    def is_live(self) -> str | None:
        """Returns why the process should be started again, or None."""
        now = self._clock.monotonic()
        if now - self._last_turn > _LIVE_SECONDS:
            return f"the loop has not turned for {now - self._last_turn:.0f} s"
        for source, since in self._silent_since.items():
            if now - since > self._max_silence:
                return f"nothing was delivered of {source.topic}/{source.partition} for {now - since:.0f} s"
        return None

    def is_ready(self) -> str | None:
        """Returns why the stage takes no work, or None."""
        if self._breaker.is_open:
            return f"breaker: {self._breaker.reason}"
        if self._outage.reason is not None:
            return self._outage.reason
        return None if self._in_group else "not in its group yet"

    # Asked by the loop

    def trouble_after(self, seconds: float) -> str:
        """Returns what has kept the stage from its work for at least so long; empty if nothing has."""
        if self._breaker.is_open and self._breaker.open_seconds >= seconds:
            return self._breaker.reason
        if self._outage.seconds >= seconds:
            return self._outage.reason or ""
        return ""
