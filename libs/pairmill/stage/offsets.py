"""Which offsets of a partition are finished: only the contiguous prefix is committed (U2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from pairmill.bus.port import TopicPartition


class OffsetTracker:
    """Tracks the delivered offsets of the owned partitions until they are finished.

    Offsets arrive in order, with gaps, and possibly again after an assignment was made anew. Not
    thread-safe.
    """

    def __init__(self) -> None:
        self._delivered: dict[TopicPartition, dict[int, bool]] = {}
        self._commit: dict[TopicPartition, int] = {}
        self._unfinished: Counter[TopicPartition] = Counter()

    def deliver(self, source: TopicPartition, offset: int) -> bool:
        """Notes a delivery; returns False if the offset is in hand already."""
        delivered = self._delivered.setdefault(source, {})
        if offset in delivered:
            return False
        delivered[offset] = False
        self._unfinished[source] += 1
        return True

    def finish(self, source: TopicPartition, offset: int) -> None:
        """Notes that the effect of a message is durable; ignored for partitions that were lost."""
        delivered = self._delivered.get(source)
        if delivered is None or delivered.get(offset, True):
            return
        delivered[offset] = True
        self._unfinished[source] -= 1
        for first in sorted(delivered):
            if not delivered[first]:
                break
            del delivered[first]
            self._commit[source] = first + 1

    def commits(self) -> dict[TopicPartition, int]:
        """Returns the offsets to commit (next to read) that were not committed yet."""
        return dict(self._commit)

    def places(self) -> dict[TopicPartition, int]:
        """Returns the offset that each partition in hand may be committed at, whether or not it was."""
        first = {source: min(delivered) for source, delivered in self._delivered.items() if delivered}
        return first | self._commit

    def committed(self, commits: Mapping[TopicPartition, int]) -> None:
        """Notes that the bus has taken these commits."""
        for source, offset in commits.items():
            if self._commit.get(source) == offset:
                del self._commit[source]

    def keep_only(self, owned: AbstractSet[TopicPartition]) -> None:
        """Drops what is known of partitions that are no longer owned; they are delivered again."""
        self._delivered = {source: known for source, known in self._delivered.items() if source in owned}
        self._commit = {source: offset for source, offset in self._commit.items() if source in owned}
        self._unfinished = Counter({source: n for source, n in self._unfinished.items() if source in owned})

    def in_hand(self) -> Counter[TopicPartition]:
        """Returns how many delivered messages of each partition are not finished."""
        return +self._unfinished
