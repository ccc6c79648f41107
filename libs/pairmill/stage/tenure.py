"""Whether a member may still act as the owner of its partitions (U10).

A process that was stopped, or starved, for longer than a part of the session time-out may have lost them
without knowing. From the moment it goes on nothing is certain until the group has taken a commit of it.
"""

from __future__ import annotations

from typing import Final

import structlog

from pairmill.bus.port import Consumer
from pairmill.clock import Clock
from pairmill.stage.offsets import OffsetTracker

log = structlog.get_logger(__name__)

_POLLS_AFTER_COMMIT: Final = 2  # a commit that was refused shows as a new assignment by then


class Tenure:
    """Told by the loop's thread, asked by any. The time since the last turn counts at once."""

    def __init__(self, clock: Clock, most_silence_seconds: float) -> None:
        """`most_silence_seconds` is what may pass between two turns without doubt."""
        self._clock = clock
        self._most_silence = most_silence_seconds
        self._last_turn = clock.monotonic()
        self._is_in_doubt = False
        self._polls_left: int | None = None  # None: no commit was made since the doubt began

    def holds(self) -> bool:
        """Whether hosts may be asked."""
        return not self._is_in_doubt and self._clock.monotonic() - self._last_turn <= self._most_silence

    # Told by the loop

    def turned(self) -> None:
        """The loop begins a turn; a long gap since the last one raises doubt."""
        now = self._clock.monotonic()
        if now - self._last_turn > self._most_silence:
            log.warning("tenure_in_doubt", silent_seconds=round(now - self._last_turn, 1))
            self._is_in_doubt, self._polls_left = True, None
        self._last_turn = now

    @property
    def needs_commit(self) -> bool:
        """Whether a commit is to be made now, to see whether the group takes it."""
        return self._is_in_doubt and self._polls_left is None

    def committed(self) -> None:
        """A commit was made; whether it was taken shows in the next polls."""
        self._polls_left = _POLLS_AFTER_COMMIT

    def settle(self, consumer: Consumer, tracker: OffsetTracker) -> None:
        """A poll has ended: makes a commit if one is needed; raises what that raises."""
        self.polled()
        if self.needs_commit:
            consumer.commit(tracker.places())
            self.committed()

    def polled(self) -> None:
        """A poll has ended without a new assignment."""
        if self._polls_left is not None:
            self._polls_left -= 1
            if self._polls_left <= 0:
                self.renewed()

    def renewed(self) -> None:
        """The group has taken a commit, or has given out an assignment."""
        self._is_in_doubt, self._polls_left = False, None
