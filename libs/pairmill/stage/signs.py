"""Signs of life of the units at work: collected from worker threads, published by the loop (U5)."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pairmill.clock import Clock


class SignsOfLife:
    """Keeps the latest progress of each unit and says which are worth a message. Thread-safe."""

    def __init__(self, clock: Clock, interval_seconds: float) -> None:
        self._clock = clock
        self._interval = interval_seconds
        self._latest: dict[str, tuple[int, int]] = {}
        self._sent_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def reporter(self, unit_id: str) -> Callable[[int, int], None]:
        """Returns the function by which a handler reports (rows done, rows in all)."""

        def report(done: int, rows: int) -> None:
            with self._lock:
                self._latest[unit_id] = (done, rows)

        return report

    def due(self) -> dict[str, tuple[int, int]]:
        """Returns the units whose progress is to be published now, at most once per interval."""
        now = self._clock.monotonic()
        with self._lock:
            due = {
                unit_id: progress
                for unit_id, progress in self._latest.items()
                if now - self._sent_at.get(unit_id, -self._interval) >= self._interval
            }
            for unit_id in due:
                del self._latest[unit_id]
                self._sent_at[unit_id] = now
        return due

    def forget(self, unit_id: str) -> None:
        """Drops a unit that is no longer at work."""
        with self._lock:
            self._latest.pop(unit_id, None)
            self._sent_at.pop(unit_id, None)
