"""A dependency is away or full: wait, keep polling, say so in readiness (U15)."""

from __future__ import annotations

from pairmill.clock import Clock
from pairmill.stage.breaker import Backoff


class Outage:
    """Since when calls fail because of the environment, and why."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._backoff = Backoff(clock)
        self._since: float | None = None
        self._last = 0.0
        self.reason: str | None = None

    @property
    def seconds(self) -> float:
        """From the first failure to the last; 0 if there is none. Work begun since may yet succeed."""
        return 0.0 if self._since is None else self._last - self._since

    def note(self, error: BaseException | None) -> None:
        """A call failed because of the environment."""
        self.reason = f"{type(error).__name__}: {error}"
        self._backoff.fail()
        self._last = self._clock.monotonic()
        if self._since is None:
            self._since = self._last

    def may_try(self) -> bool:
        """Whether new work may start."""
        return self._backoff.ready()

    def over(self) -> None:
        """The environment answered again."""
        self._since, self.reason = None, None
        self._backoff.succeed()
