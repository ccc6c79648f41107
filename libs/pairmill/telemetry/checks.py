"""Checks of the admin port."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from pairmill.clock import Clock

Check: TypeAlias = Callable[[], str | None]
"""Returns a problem, or None."""

PING_SECONDS: Final = 5.0
WAIT_SECONDS: Final = 1.0


class PingCheck:
    """Says whether a dependency answers, and asks it no more than once in 5 s. Thread-safe.

    A ping that hangs holds nobody up: it is waited for for a second, and while it is under way no other
    is sent.
    """

    def __init__(self, ping: Callable[[], None], clock: Clock, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self._ping = ping
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._lock = threading.Lock()
        self._answered = threading.Event()
        self._answered.set()
        self._asked_at: float | None = None
        self._problem: str | None = None

    def __call__(self) -> str | None:
        """Returns the problem as of the last ping, or None."""
        with self._lock:
            if self._answered.is_set() and self._is_due():
                self._asked_at = self._clock.monotonic()
                self._answered.clear()
                threading.Thread(target=self._ask, name="ping", daemon=True).start()
        if self._answered.wait(self._wait_seconds):
            return self._problem
        waited = self._clock.monotonic() - (self._asked_at or 0.0)
        return f"has not answered for {waited:.0f} s"

    def _is_due(self) -> bool:
        return self._asked_at is None or self._clock.monotonic() - self._asked_at >= PING_SECONDS

    def _ask(self) -> None:
        self._problem = problem_of(self._pinged)
        self._answered.set()

    def _pinged(self) -> None:
        self._ping()


def problems(checks: Mapping[str, Check]) -> dict[str, str | None]:
    """Returns what each check says; one that cannot be made is a problem too."""
    return {name: problem_of(check) for name, check in checks.items()}


def problem_of(check: Check) -> str | None:
    """Returns what a check says, or that it raised."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - a check that cannot be made is a problem to show
        return f"{type(error).__name__}: {error}"
