"""How many messages lie after a group's committed offsets, without asking the broker each time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from pairmill.bus.kafka_metadata import Metadata
from pairmill.bus.port import TopicPartition

_ASK_SECONDS: Final = 1.0


class LagMeter:
    """Asks where partitions begin and end at most once a second; knows the member's own commits."""

    def __init__(self, metadata: Metadata, group: str) -> None:
        self._metadata = metadata
        self._group = group
        self._committed: dict[TopicPartition, int] = {}
        self._starts: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._asked_at: float | None = None

    def forget(self) -> None:
        """Drops what is known: others may have committed meanwhile."""
        self._asked_at = None
        self._committed = {}

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Notes the member's own commit."""
        self._committed.update(offsets)

    def of(self, owned: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Returns the lag of each partition."""
        now = time.monotonic()
        if owned and (self._asked_at is None or now - self._asked_at >= _ASK_SECONDS):
            if self._asked_at is None:
                self._committed = {**self._metadata.committed(self._group, owned), **self._committed}
            self._starts, self._ends = self._metadata.starts(owned), self._metadata.ends(owned)
            self._asked_at = now
        return {source: self._lag(source) for source in owned}

    def _lag(self, source: TopicPartition) -> int:
        start, end = self._starts.get(source, 0), self._ends.get(source, 0)
        committed = self._committed.get(source, start)
        known = start <= committed <= end or committed > end  # below the start: retention took it
        return max(0, end - (committed if known else start))
