"""The broker's time, as well as one process knows it (U9)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime


def _boot_seconds() -> float:
    """A clock that goes on while the machine sleeps and that nobody sets."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class BrokerClock:
    """Follows the broker by what it stamps; the own clock counts only until the first stamp.

    Thread-safe. A clock of the machine that is wrong, or set meanwhile, does no harm. As long as all
    stamps are of some time ago, the time is behind the broker's and never ahead of it: what waits for a
    time may be late, and is not early.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        """`wall` is the machine's clock, in seconds since 1970."""
        self._wall = wall
        self._lock = threading.Lock()
        self._ahead: float | None = None  # broker's seconds minus boot seconds
        self._exact = False

    def now(self) -> datetime:
        """Returns the broker's time."""
        ahead = self._ahead
        return datetime.fromtimestamp(self._wall() if ahead is None else _boot_seconds() + ahead, UTC)

    def is_exact(self) -> bool:
        """Whether the broker has stamped anything for this process."""
        return self._exact

    def stamped_now(self, broker_seconds: float) -> None:
        """Notes a stamp that the broker has just made."""
        with self._lock:
            self._ahead = broker_seconds - _boot_seconds()
            self._exact = True

    def stamped_before(self, broker_seconds: float) -> None:
        """Notes a stamp of some time ago: the broker's clock is not behind it."""
        with self._lock:
            least = broker_seconds - _boot_seconds()
            if self._ahead is None or self._ahead < least:
                self._ahead = least
