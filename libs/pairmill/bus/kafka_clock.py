"""The broker's time, as well as one process knows it (U9)."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime


def _boot_seconds() -> float:
    """A clock that goes on while the machine sleeps and that nobody sets."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class BrokerClock:
    """Follows the broker by what it stamps; the own clock counts only until the first stamp.

    Thread-safe. A clock of the machine that is wrong, or set meanwhile, does no harm.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ahead: float | None = None  # broker's seconds minus boot seconds

    def now(self) -> datetime:
        """Returns the broker's time."""
        ahead = self._ahead
        if ahead is None:
            return datetime.now(UTC)
        return datetime.fromtimestamp(_boot_seconds() + ahead, UTC)

    def stamped_now(self, broker_seconds: float) -> None:
        """Notes a stamp that the broker has just made."""
        with self._lock:
            self._ahead = broker_seconds - _boot_seconds()

    def stamped_before(self, broker_seconds: float) -> None:
        """Notes a stamp of some time ago: the broker's clock is not behind it."""
        with self._lock:
            known = time.time() - _boot_seconds() if self._ahead is None else self._ahead
            least = broker_seconds - _boot_seconds()
            if known < least:
                self._ahead = least
