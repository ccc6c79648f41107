"""A clock that moves when told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class ManualClock:
    """Starts at noon of 1 January 2026; `sleep` moves it at once."""

    def __init__(self) -> None:
        self._start = datetime(2026, 1, 1, 12, tzinfo=UTC)
        self._elapsed = 0.0

    def monotonic(self) -> float:
        """Returns the seconds since the start."""
        return self._elapsed

    def now(self) -> datetime:
        """Returns the start plus the time elapsed."""
        return self._start + timedelta(seconds=self._elapsed)

    def sleep(self, seconds: float) -> None:
        """Moves the clock."""
        self._elapsed += seconds
