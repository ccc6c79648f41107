"""A dependency is away or full: wait, keep polling, say so in readiness (U15)."""

from __future__ import annotations

from pairmill.clock import Clock
from pairmill.stage.breaker import Backoff


class Outage:
    """Since when the environment does not allow work, and why."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._backoff = Backoff(clock)
        self._since: float | None = None
        self.reason: str | None = None

    @property
    def seconds(self) -> float:
        """For how long it has lasted; 0 if there is none."""
        return 0.0 if self._since is None else self._clock.monotonic() - self._since

    def note(self, error: BaseException | None) -> None:
        """A call failed because of the environment."""
        self.reason = f"{type(error).__name__}: {error}"
        self._backoff.fail()
        if self._since is None:
            self._since = self._clock.monotonic()

    def may_try(self) -> bool:
        """Whether new work may start."""
        return self._backoff.ready()

    def over(self) -> None:
        """The environment answered again."""
        self._since, self.reason = None, None
        self._backoff.succeed()
