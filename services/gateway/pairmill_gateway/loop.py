"""Turns a job's driver until the job has ended, waits outages out, or gives up with the reason."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from typing import Protocol

import structlog

from pairmill.clock import Clock
from pairmill.errors import ConfigurationError, PairmillError, RetriableError
from pairmill.stage.loop import GAVE_UP
from pairmill.stage.outage import Outage
from pairmill_protos.job.v1.job_pb2 import JobEnded

log = structlog.get_logger(__name__)

_LIVE_SECONDS = 60.0
_REST_GROWTH = 1.4
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Driver(Protocol):
    """What the loop turns."""

    @property
    def ended(self) -> JobEnded | None:
        """How the job ended, once it has."""
        ...

    def step(self) -> bool:
        """Does what can be done now; returns whether anything happened."""
        ...


class GatewayLoop:
    """Drives one job. `open_driver` may fail for lack of bus or store, and is tried again.

    Between two turns it rests, for longer the longer nothing happens, up to `poll_seconds`.
    """

    def __init__(
        self,
        open_driver: Callable[[], Driver],
        sweep: Callable[[JobEnded], object],
        *,
        clock: Clock,
        poll_seconds: float,
        give_up_seconds: float | None,
    ) -> None:
        self._open_driver = open_driver
        self._sweep = sweep
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._give_up_seconds = give_up_seconds
        self._outage = Outage(clock)
        self._driver: Driver | None = None
        self._stop = threading.Event()
        self._last_turn = clock.monotonic()
        self._done = False
        self.gave_up = ""

    def request_stop(self) -> None:
        """Asks for a stop; what is under way is repeated by the next gateway. Safe in a signal handler."""
        self._stop.set()

    def is_live(self) -> str | None:
        """Returns a problem if the loop has not turned for a minute."""
        silent = self._clock.monotonic() - self._last_turn
        return f"the loop has not turned for {silent:.0f} s" if silent > _LIVE_SECONDS else None

    def is_ready(self) -> str | None:
        """Returns why the job is not driven, or None."""
        return self._outage.reason

    def run(self) -> int:
        """Returns 0 when the job has ended or the process was told to stop, else `GAVE_UP`."""
        rest = shortest = self._poll_seconds / 4
        while not (self._done or self._stop.is_set() or self.gave_up):
            self._last_turn = self._clock.monotonic()
            if self._turn():
                rest = shortest
            else:
                self._clock.sleep(rest)
                rest = min(rest * _REST_GROWTH, self._poll_seconds)
        return GAVE_UP if self.gave_up else 0

    def _turn(self) -> bool:
        """Returns whether anything happened."""
        if not self._outage.may_try():
            return False
        try:
            happened = self._work()
        except ConfigurationError:
            raise
        except RetriableError as error:
            self._wait_out(error)
        except PairmillError as error:  # a damaged spec, list or manifest does not heal by itself
            self.gave_up = f"{type(error).__name__}: {error}"
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self._wait_out(error)
        else:
            self._outage.over()
            return happened
        return False

    def _work(self) -> bool:
        if self._driver is None:
            self._driver = self._open_driver()
        happened = self._driver.step()
        if self._driver.ended is not None:
            self._sweep(self._driver.ended)
            self._done = True
        return happened

    def _wait_out(self, error: BaseException) -> None:
        self._outage.note(error)
        log.warning("dependency_away", error=self._outage.reason)
        if self._give_up_seconds is not None and self._outage.seconds >= self._give_up_seconds:
            self.gave_up = self._outage.reason or "a dependency is away"
