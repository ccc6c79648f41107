"""A job that has not ended, in a gateway that drives many."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from pairmill.errors import RetriableError
from pairmill.ledger.follower import JobFollower
from pairmill.ledger.walk import JobState as WalkState
from pairmill.stage.breaker import Backoff
from pairmill_gateway.attendance import Attendance, absence_of, needed_groups
from pairmill_gateway.book import JobEntry
from pairmill_gateway.conductor import Conductor, Means
from pairmill_gateway.driver import SIGNS_SECONDS, is_over, rows_again
from pairmill_gateway.job_bus import JobBus
from pairmill_gateway.open_since import OpenSince
from pairmill_gateway.rates import Rates
from pairmill_gateway.status import JobStatus, status_of

log = structlog.get_logger(__name__)

HOLD_SECONDS: Final = 5.0
"""For how long an answer waits for a job whose turn it is."""


class NotReadYetError(RetriableError):
    """The job's ledger is still being read, or cannot be."""


class ClusterJob:
    """Follows the job always, and acts for it while this gateway owns its ledger partition (U5).

    The loop's thread calls `turn`, the API's threads ask; `held` keeps them apart.
    """

    def __init__(self, entry: JobEntry, means: Means, bus: JobBus, attendance: Attendance) -> None:
        """`means.bus` is `bus`, `means.store` that of the job's dataset."""
        self.entry = entry
        self.trouble = ""  # why the job cannot be followed
        self.has_caught_up = False
        self.groups: frozenset[str] = frozenset()  # that have open units of it to work on
        self._means = means
        self._bus = bus
        self._attendance = attendance
        self._lock = threading.Lock()
        self._backoff = Backoff(means.clock)
        self._follower: JobFollower | None = None
        self._conductor: Conductor | None = None
        self._rows_again = 0
        self._next_signs = 0.0
        self.last_status: JobStatus | None = None
        self.rates = Rates()
        self.open_since = OpenSince(means.clock)

    @property
    def job_id(self) -> str:
        """The job."""
        return self.entry.job_id

    @property
    def is_acting(self) -> bool:
        """Whether this gateway acts for the job."""
        return self._conductor is not None and self._conductor.is_acting

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be done but to finish it."""
        return self._follower is not None and self.has_caught_up and is_over(self._follower)

    @contextmanager
    def held(self, timeout_seconds: float = HOLD_SECONDS) -> Iterator[JobFollower]:
        """Gives the job's follower, to read from; raises NotReadYetError where there is none in time."""
        if not self._lock.acquire(timeout=timeout_seconds):
            raise NotReadYetError(f"the ledger of job {self.job_id} is being read")
        try:
            if self._follower is None or not self.has_caught_up:
                raise NotReadYetError(self.trouble or f"the ledger of job {self.job_id} is being read")
            yield self._follower
        finally:
            self._lock.release()

    def follower(self) -> JobFollower:
        """Returns the follower of a job that is over, which nothing changes any more."""
        if self._follower is None:
            raise NotReadYetError(f"the ledger of job {self.job_id} is being read")
        return self._follower

    def read_on(self) -> None:
        """Reads at once what stands in the ledger now."""
        with self._lock:
            if self._follower is not None and not is_over(self._follower):
                self._bus.begin_turn(anew=True)
                self._follower.catch_up()

    def begin(self, published: Collection[str]) -> None:
        """Acts from the next turn on; `published` are units whose tasks a gateway published before."""
        with self._lock:
            if self._conductor is not None:
                self._conductor.begin(published)

    def leave_off(self) -> None:
        """Another gateway acts from now on."""
        with self._lock:
            if self._conductor is not None:
                self._conductor.leave_off()

    def may_try(self) -> bool:
        """Whether the delay after a trouble is over."""
        return self._backoff.ready()

    def stumble(self, error: BaseException) -> None:
        """Notes that a turn failed for a reason of the job's own; it is read anew after a while."""
        self.trouble = f"{type(error).__name__}: {error}"
        self._backoff.fail()
        with self._lock:
            self._follower = self._conductor = None
            self.has_caught_up = False

    def turn(self, entry: JobEntry) -> bool:
        """Does what can be done now; returns whether anything happened, or more waits to be read."""
        with self._lock:
            self.entry = entry
            self._bus.begin_turn()
            follower, conductor = self._opened()
            fed = follower.catch_up()
            self.has_caught_up |= not self._bus.cut_short  # afterwards it is behind by a turn at most
            self._hear_signs(follower, conductor)
            conductor.note()
            self.groups = frozenset(needed_groups(follower.walk).values())
            self.open_since.note(follower.walk)
            self.rates.sample(follower.walk, self._means.clock.monotonic())
            handed_out = conductor.act(resumed_after=entry.resumed_after) if self.has_caught_up else 0
        self.trouble = ""
        self._backoff.succeed()
        return bool(fed or handed_out or self._bus.cut_short)

    def status(self) -> JobStatus | None:
        """Returns how far the job is; None while its ledger is being read."""
        if not self.has_caught_up:
            return None
        with self.held() as follower:
            self.last_status = self.status_of(follower)
        return self.last_status

    def status_of(self, follower: JobFollower) -> JobStatus:
        """Returns how far the job is, to whoever holds its follower."""
        waiting = self._conductor.waves_waiting if self._conductor is not None else 0
        return status_of(
            follower,
            follower.walk.state.value,
            waiting,
            self.blocked(follower),
            self._rows_again,
            absence_of(follower.walk, self._attendance),
        )

    def blocked(self, follower: JobFollower) -> tuple[str, str] | None:
        """Returns the unit that holds the job up, and its last error."""
        return follower.walk.blocked(after=self.entry.resumed_after)

    def _opened(self) -> tuple[JobFollower, Conductor]:
        if self._follower is None or self._conductor is None:
            self._follower = JobFollower(self._bus, self._means.store, self.entry.admitted.spec)
            self._rows_again = rows_again(self._follower, self._means.store)
            self._conductor = Conductor(self._follower, self._means, self.entry.admitted.dataset)
        return self._follower, self._conductor

    def _hear_signs(self, follower: JobFollower, conductor: Conductor) -> None:
        if not self.has_caught_up or self._means.clock.monotonic() < self._next_signs:
            return
        conductor.hear(follower.catch_up_progress())
        follower.forget_closed()
        self._next_signs = self._means.clock.monotonic() + SIGNS_SECONDS


def may_be_cancelled(follower: JobFollower) -> bool:
    """Returns whether a cancel would still count: not once the finalisation is expected (U3, U18)."""
    return follower.walk.state not in (WalkState.FINALISING, WalkState.FINISHED)
