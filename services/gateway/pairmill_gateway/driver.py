"""Drives one job: follows its ledger, hands out what waits for a wave or phase, heals, finishes."""

from __future__ import annotations

import time
from typing import Final

import structlog

from pairmill.bus.port import Bus
from pairmill.clock import Clock
from pairmill.ledger.follower import JobFollower, loader
from pairmill.stage.checkpoints import Checkpoints
from pairmill.store.port import ObjectStore
from pairmill_gateway.conductor import Conductor, Means, published_units
from pairmill_gateway.ends import find_end
from pairmill_gateway.job_records import end_message
from pairmill_gateway.ports import Finisher, HandOutObserver, NobodyToTell, StatusSink
from pairmill_gateway.retention import Retention
from pairmill_gateway.status import JobStatus, status_of
from pairmill_protos.job.v1.job_pb2 import JobEnded
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef

log = structlog.get_logger(__name__)

STATUS_SECONDS: Final = 0.5
SIGNS_SECONDS: Final = 0.5
"""Signs of life show in the status and stay healing, neither of which is in a hurry."""


class JobDriver:
    """Drives the one job of a machine. A start is a resume: what failed before is tried again (U13)."""

    def __init__(
        self,
        spec_ref: ObjectRef,
        *,
        bus: Bus,
        store: ObjectStore,
        clock: Clock,
        finisher: Finisher,
        sink: StatusSink,
        reissue_after_seconds: float,
        checkpoints: Checkpoints,
        retention: Retention | None = None,
        observer: HandOutObserver | None = None,
    ) -> None:
        """`retention` is for a bus that does not forget by itself."""
        self._bus = bus
        self._clock = clock
        self._finisher = finisher
        self._sink = sink
        self._checkpoints = checkpoints
        self._retention = retention
        self._follower = JobFollower(bus, store, spec_ref)
        self._follower.catch_up()
        self._again = rows_again(self._follower, store)
        means = Means(
            bus=bus,
            store=store,
            clock=clock,
            reissue_after_seconds=reissue_after_seconds,
            checkpoints=checkpoints,
            observer=observer or NobodyToTell(),
        )
        self._conductor = Conductor(self._follower, means)
        self._conductor.note()
        job_id = self._follower.root.spec.job_id
        self._conductor.begin(published_units(bus, (job_id,))[job_id])
        self._resumed_after = self._follower.last_place()
        self._next_signs = 0.0
        self._next_status = 0.0
        self._has_news = True  # since the status was shown last
        self.ended: JobEnded | None = find_end(bus, job_id)

    @property
    def status(self) -> JobStatus:
        """The job's status as of the last step."""
        walk = self._follower.walk
        blocked = None if self.ended else walk.blocked(after=self._resumed_after)
        state = self.ended.state if self.ended else walk.state.value
        return status_of(self._follower, state, self._conductor.waves_waiting, blocked, self._again)

    def step(self) -> bool:
        """Does what can be done now; returns whether anything happened."""
        fed = self._follower.catch_up()
        signs = self._hear_signs()
        self._conductor.note()
        published = self._conductor.act(resumed_after=self._resumed_after)
        if is_over(self._follower) and self.ended is None:
            self._finish()
        self._has_news |= bool(fed or published or signs)
        self._show()
        return bool(fed or published)

    def _hear_signs(self) -> int:
        """Reads the new signs of life, if it is time; returns how many there were."""
        if self._clock.monotonic() < self._next_signs:
            return 0
        signs = self._follower.catch_up_progress()
        self._conductor.hear(signs)
        if self._retention is not None:
            self._retention.apply(self._follower.progress_needed_from())
        self._next_signs = self._clock.monotonic() + SIGNS_SECONDS
        return len(signs)

    def _finish(self) -> None:
        self.ended = finish_job(self._follower, self._finisher, self._bus, self._checkpoints)
        self._has_news = True

    def _show(self) -> None:
        if not self._has_news or (self.ended is None and self._clock.monotonic() < self._next_status):
            return
        self._next_status = self._clock.monotonic() + STATUS_SECONDS
        self._follower.forget_closed()
        self._sink.show(self.status)
        self._has_news = False


def is_over(follower: JobFollower) -> bool:
    """Returns whether nothing is left to be done for a job but to finish it."""
    return follower.walk.finished or follower.walk.cancelled


def finish_job(follower: JobFollower, finisher: Finisher, bus: Bus, checkpoints: Checkpoints) -> JobEnded:
    """Writes what stands when a job has ended; its end is acknowledged on return."""
    log.info("work_finished", cpu_seconds=round(time.process_time(), 3))
    ended = finisher.finish(follower)
    bus.publish([end_message(bus, ended)])
    checkpoints.passed("after_end")
    log.info("job_ended", job=ended.job_id, state=ended.state)
    return ended


def rows_again(follower: JobFollower, store: ObjectStore) -> int:
    """Returns how many candidates a repair runs again; 0 for any other job."""
    return sum(task.rows for task in follower.root.repair_tasks(loader(store)))
