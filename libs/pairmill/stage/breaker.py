"""When a stage must not trust its own failures: self-test, breaker, back-off (U13, U14)."""

from __future__ import annotations

import random
from collections.abc import Callable

from pairmill.clock import Clock

_FIRST_DELAY_SECONDS = 0.5
_MAX_DELAY_SECONDS = 30.0
_DOUBLINGS = 10  # more would only overflow after a long outage


class Backoff:
    """Exponential delay with jitter: 0.5 s, 1 s, 2 s … up to 30 s, each between half and whole."""

    def __init__(self, clock: Clock, draw: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._draw = draw
        self._failures = 0
        self._ready_at = 0.0

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return self._failures

    def ready(self) -> bool:
        """Whether the delay after the last failure is over."""
        return self.ready_in == 0

    @property
    def ready_in(self) -> float:
        """Seconds until the delay after the last failure is over; 0 if it is."""
        return max(0.0, self._ready_at - self._clock.monotonic()) if self._failures else 0.0

    def fail(self) -> None:
        """Notes a failure and starts the next delay."""
        delay = min(_FIRST_DELAY_SECONDS * 2 ** min(self._failures, _DOUBLINGS), _MAX_DELAY_SECONDS)
        self._ready_at = self._clock.monotonic() + delay * (0.5 + self._draw() / 2)
        self._failures += 1

    def succeed(self) -> None:
        """Notes a success."""
        self._failures = 0
        self._ready_at = 0.0


class Breaker:
    """Open while the stage's self-test fails. Nothing is closed by failures meanwhile."""

    def __init__(self, clock: Clock, self_test: Callable[[], None]) -> None:
        self._clock = clock
        self._self_test = self_test
        self._backoff = Backoff(clock)
        self._opened_at: float | None = None
        self.reason = ""

    @property
    def is_open(self) -> bool:
        """Whether the stage takes no work."""
        return self._opened_at is not None

    @property
    def open_seconds(self) -> float:
        """For how long it has been open."""
        return 0.0 if self._opened_at is None else self._clock.monotonic() - self._opened_at

    def test(self) -> bool:
        """Runs the self-test; returns whether it passed, and opens or closes accordingly."""
        try:
            self._self_test()
        except Exception as error:  # noqa: BLE001 - whatever it raises, the stage is not fit for work
            self.open(f"self-test: {type(error).__name__}: {error}")
            return False
        self._backoff.succeed()
        self._opened_at, self.reason = None, ""
        return True

    def open(self, reason: str) -> None:
        """Opens the breaker for a reason."""
        self.reason = reason
        self._backoff.fail()
        if self._opened_at is None:
            self._opened_at = self._clock.monotonic()

    def retest(self) -> None:
        """Tests again if the breaker is open and its delay is over."""
        if self.is_open and self._backoff.ready():
            self.test()
