"""Time as a parameter, so that every rule about time is testable without sleeping."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of time."""

    def monotonic(self) -> float:
        """Returns seconds that never go backwards, from an arbitrary start."""
        ...

    def now(self) -> datetime:
        """Returns the current time in UTC; for display and for the bus's clock only."""
        ...

    def sleep(self, seconds: float) -> None:
        """Waits."""
        ...


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """Returns `time.monotonic()`."""
        return time.monotonic()

    def now(self) -> datetime:
        """Returns the current time in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Waits with `time.sleep`."""
        time.sleep(seconds)
