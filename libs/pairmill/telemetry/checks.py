"""Checks of the admin port."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from pairmill.clock import Clock
from pairmill.errors import PairmillError

PING_SECONDS: Final = 5.0


class PingCheck:
    """Says whether a dependency answers, and asks it no more than once in 5 s. Thread-safe."""

    def __init__(self, ping: Callable[[], None], clock: Clock) -> None:
        self._ping = ping
        self._clock = clock
        self._lock = threading.Lock()
        self._asked_at: float | None = None
        self._problem: str | None = None

    def __call__(self) -> str | None:
        """Returns the problem as of the last ping, or None."""
        with self._lock:
            now = self._clock.monotonic()
            if self._asked_at is None or now - self._asked_at >= PING_SECONDS:
                self._problem = self._answer()
                self._asked_at = now
            return self._problem

    def _answer(self) -> str | None:
        try:
            self._ping()
        except PairmillError as error:
            return f"{type(error).__name__}: {error}"
        return None
