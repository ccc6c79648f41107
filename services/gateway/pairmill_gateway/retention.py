"""Keeps the topic `progress` of an embedded bus short: brokers do that by themselves (U19, U20)."""

from __future__ import annotations

from typing import Final

from pairmill.bus.port import Bus, TopicPartition
from pairmill.clock import Clock

_EMBEDDED: Final = "sqlite:"

KEEP_SECONDS: Final = 300.0
"""A sign of life stays for at least so long, and at most twice as long."""


class Retention:
    """Trims one partition now and then. Readers keep their place; what they miss, they do not need."""

    def __init__(self, bus: Bus, source: TopicPartition, clock: Clock) -> None:
        self._bus = bus
        self._source = source
        self._clock = clock
        self._marked_at = clock.monotonic()
        self._mark = 0  # what lies below is older than the last look

    def apply(self, needed_from: int) -> None:
        """Deletes what is too old, if it is time; starts of open units from `needed_from` on stay (U13)."""
        now = self._clock.monotonic()
        if now - self._marked_at < KEEP_SECONDS:
            return
        if before := min(self._mark, needed_from):
            self._bus.trim(self._source, before)
        self._mark, self._marked_at = self._bus.end_offset(self._source), now


def retention_of(bus_url: str, bus: Bus, source: TopicPartition, clock: Clock) -> Retention | None:
    """Returns what keeps a partition short, or None for a bus that forgets by itself."""
    return Retention(bus, source, clock) if bus_url.startswith(_EMBEDDED) else None
