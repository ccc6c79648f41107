"""How often a caller may call: a budget that fills up evenly, the same for each."""

from __future__ import annotations

import threading
from typing import Final

import grpc

from pairmill.clock import Clock
from pairmill.rpc.callers import Caller
from pairmill.rpc.refusals import RefusedError

_MINUTE: Final = 60.0


class Quota:
    """So many calls a minute for each caller, all of which may come at once. Thread-safe.

    Callers are those of a tokens file, so there are not many. None a minute means no bound.
    """

    def __init__(self, per_minute: int | None, clock: Clock) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._spent: dict[str, tuple[float, float]] = {}  # by name: calls that still weigh, as of when
        self._refused = 0

    @property
    def refused(self) -> int:
        """Calls that were refused."""
        with self._lock:
            return self._refused

    def take(self, caller: Caller) -> None:
        """Counts a call; raises RESOURCE_EXHAUSTED, with the time to wait, where there is none left."""
        if self._per_minute is None:
            return
        per_second = self._per_minute / _MINUTE
        with self._lock:
            now = self._clock.monotonic()
            spent, as_of = self._spent.get(caller.name, (0.0, now))
            left = self._per_minute - max(spent - (now - as_of) * per_second, 0.0)
            if left < 1:
                self._refused += 1
                raise RefusedError(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"{caller.name} has used its {self._per_minute:,} calls a minute",
                    retry_seconds=(1 - left) / per_second,
                )
            self._spent[caller.name] = (self._per_minute - left + 1, now)
