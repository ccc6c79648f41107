"""When finished prefixes are committed: not after each unit, for a commit is a question to the broker."""

from __future__ import annotations

import math

from pairmill.bus.port import Consumer
from pairmill.clock import Clock
from pairmill.stage.checkpoints import Checkpoints
from pairmill.stage.observer import StageObserver
from pairmill.stage.offsets import OffsetTracker


class Commits:
    """Commits once in a while, and at once where the loop is about to end. Not thread-safe.

    What is finished and not committed when a process is killed, or loses the partition, is delivered again
    and passed over then, for it is closed (U2a).
    """

    def __init__(
        self,
        tracker: OffsetTracker,
        clock: Clock,
        observer: StageObserver,
        checkpoints: Checkpoints,
        seconds: float,
    ) -> None:
        """`seconds` is the time from one commit to the next."""
        self._tracker = tracker
        self._clock = clock
        self._observer = observer
        self._checkpoints = checkpoints
        self._seconds = seconds
        self._not_before = 0.0

    @property
    def due_in(self) -> float:
        """Seconds until the next commit; infinite where there is nothing to commit."""
        if not self._tracker.commits():
            return math.inf
        return max(0.0, self._not_before - self._clock.monotonic())

    def apply(self, consumer: Consumer, *, at_once: bool) -> None:
        """Commits if it is time, or `at_once`; raises RetriableError, and then commits as much next time."""
        if math.isinf(self.due_in) or not (at_once or self.due_in == 0):
            return
        commits = self._tracker.commits()
        consumer.commit(commits)
        self._tracker.committed(commits)
        self._observer.committed(commits)
        self._not_before = self._clock.monotonic() + self._seconds
        self._checkpoints.passed("after_commit")
