"""Which partitions are paused: those of which enough tasks are in hand."""

from __future__ import annotations

from pairmill.bus.port import Consumer, TopicPartition
from pairmill.stage.intake import Intake
from pairmill.stage.offsets import OffsetTracker


class Backpressure:
    """Keeps a consumer from delivering more than a stage can hold. Not thread-safe."""

    def __init__(self, limit: int, tracker: OffsetTracker, intake: Intake) -> None:
        """With `limit` tasks in hand or unread a partition is paused."""
        self._limit = limit
        self._tracker = tracker
        self._intake = intake
        self._paused: frozenset[TopicPartition] | None = None  # None: not known

    def reassigned(self) -> None:
        """The assignment was made anew: what is paused is for the bus to say."""
        self._paused = None

    def apply(self, consumer: Consumer) -> None:
        """Pauses the partitions that are full and resumes the others; asks for changes only."""
        held = self._tracker.in_hand()
        held.update(self._intake.unread())
        full = frozenset(source for source, tasks in held.items() if tasks >= self._limit)
        if full == self._paused:
            return
        before = consumer.assignment() if self._paused is None else self._paused
        consumer.pause(full)
        consumer.resume(before - full)
        self._paused = full
