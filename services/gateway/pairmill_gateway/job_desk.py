"""Answers what is asked of jobs: submit, get, list, cancel, resume."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import structlog

from pairmill.errors import CorruptObjectError, InvalidRecordError, ObjectMissingError, RetriableError
from pairmill.rpc.callers import Caller
from pairmill.stage.messages import ledger_message
from pairmill_gateway.book import JobEntry
from pairmill_gateway.cluster_job import HOLD_SECONDS, ClusterJob, may_be_cancelled
from pairmill_gateway.desk import Desk
from pairmill_gateway.job_records import cancel_message, resumed_message
from pairmill_gateway.rpc.ports import Page, WrongStateError
from pairmill_gateway.submission import Submissions
from pairmill_gateway.views import (
    described,
    in_trouble,
    progress_of,
    progress_of_funnel,
    with_status,
)
from pairmill_protos.gateway.v1.job_service_pb2 import Job, JobState, SubmitJobRequest
from pairmill_protos.job.v1.job_pb2 import JobResumed
from pairmill_protos.unit.v1.unit_pb2 import Cancel, LedgerRecord

log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 0.05


class JobDesk:
    """Implements `rpc.ports.Jobs`. Thread-safe."""

    def __init__(self, desk: Desk, submissions: Submissions) -> None:
        self._desk = desk
        self._submissions = submissions

    def submit(self, request: SubmitJobRequest, caller: Caller) -> tuple[Job, bool]:
        """Returns the job, and whether this call admitted it; durable on return."""
        self._desk.check_open()
        admission = self._submissions.prepare(request, caller)
        if request.validate_only:
            job = Job(
                job_id=admission.spec.job_id,
                state=JobState.JOB_STATE_ADMITTED,
                profile=admission.spec.profile,
                submitted_by=caller.name,
                spec=admission.spec,
            )
            return job, False
        entry, created = self._submissions.admit(admission, caller)
        if created:
            log.info("job_admitted", job=entry.job_id, caller=caller.name, tenant=caller.tenant)
        job = self._summary(entry)
        job.spec.CopyFrom(admission.spec)
        return job, created

    def get(self, job_id: str, caller: Caller) -> Job:
        """Returns a job with progress and spec."""
        entry = self._desk.entry(job_id, caller)
        job = described(entry, self._desk.store_url)
        self._add_spec(job, entry)
        if entry.ended is not None:
            return self._with_funnel(job, entry)
        running = self._desk.running.get(job_id)
        return job if running is None else self._with_progress(job, running)

    def list(
        self, page: Page, states: Collection[JobState.ValueType], caller: Caller
    ) -> tuple[Sequence[Job], str]:
        """Returns jobs, the newest first, and where the page ends, empty on the last one."""
        self._desk.check_open()
        entries = [entry for entry in self._desk.book.entries() if self._desk.may_see(entry, caller)]
        entries.sort(key=_place, reverse=True)
        found: list[Job] = []
        last = ""
        for entry in entries:
            if page.after and _place(entry) >= page.after:
                continue
            job = self._summary(entry)
            if states and job.state not in states:
                continue
            if len(found) == page.size:
                return found, last
            found.append(job)
            last = _place(entry)
        return found, ""

    def cancel(self, job_id: str, reason: str, caller: Caller) -> Job:
        """Cancels a job and returns it; the same again does no harm (U18)."""
        entry = self._desk.entry(job_id, caller)
        if entry.ended is not None:
            if entry.ended.state == "cancelled":
                return self.get(job_id, caller)
            raise WrongStateError(f"job {job_id} has ended; there is nothing to cancel")
        if entry.cancel is None:
            self._cancel(entry, f"{caller.name}: {reason}" if reason else caller.name)
            log.info("job_cancelled", job=job_id, caller=caller.name)
        return self.get(job_id, caller)

    def resume(self, job_id: str, caller: Caller) -> Job:
        """Lets a blocked job try again and returns it (U13)."""
        entry = self._desk.entry(job_id, caller)
        if entry.ended is not None:
            raise WrongStateError(f"job {job_id} has ended; submit or replay it")
        job = self._desk.job(entry)
        with job.held() as follower:
            is_blocked = job.blocked(follower) is not None
            place = follower.last_place()
        if not is_blocked:
            raise WrongStateError(f"job {job_id} is not blocked by a unit; there is nothing to resume")
        bus = self._desk.bus
        bus.publish([resumed_message(bus, JobResumed(job_id=job_id, ledger_offset=place))])
        self._desk.book.catch_up()
        log.info("job_resumed", job=job_id, caller=caller.name)
        resumed = self._desk.entry(job_id, caller)
        with job.held() as follower:
            job.entry = resumed
            return with_status(described(resumed, self._desk.store_url), job.status_of(follower))

    def _cancel(self, entry: JobEntry, why: str) -> None:
        """Publishes the fact, sees whether it counts, and then tells the stages."""
        job, bus, cancel = self._desk.job(entry), self._desk.bus, Cancel(job_id=entry.job_id, why=why)
        with job.held() as follower:
            if not may_be_cancelled(follower):
                raise WrongStateError(f"job {entry.job_id} is in its finalisation; it cannot be cancelled")
            if not follower.walk.cancelled:
                bus.publish([ledger_message(bus, entry.job_id, LedgerRecord(cancel=cancel))])
        if not self._counts(job):
            raise WrongStateError(f"job {entry.job_id} has begun its finalisation; it cannot be cancelled")
        bus.publish([cancel_message(bus, cancel)])
        self._desk.book.catch_up()

    def _summary(self, entry: JobEntry) -> Job:
        """Returns a job without progress and spec; `admitted` where its ledger is still being read."""
        job = described(entry, self._desk.store_url)
        running = self._desk.running.get(entry.job_id) if entry.is_running else None
        if running is None:
            return job
        if running.trouble:
            return in_trouble(job, running.trouble)
        status = running.last_status
        return job if status is None else with_status(job, status)

    def _with_progress(self, job: Job, running: ClusterJob) -> Job:
        if running.trouble:
            return in_trouble(job, running.trouble)
        if not running.has_caught_up:
            return job
        with running.held() as follower:
            status = running.status_of(follower)
            with_status(job, status).progress.CopyFrom(
                progress_of(follower, status, running.rates.per_second())
            )
        return job

    def _with_funnel(self, job: Job, entry: JobEntry) -> Job:
        try:
            funnel = self._desk.manifest(entry).manifest.funnel
        except (ObjectMissingError, CorruptObjectError, InvalidRecordError):
            return job  # the dataset was removed; what the topic says stands
        job.progress.CopyFrom(progress_of_funnel(funnel))
        return job

    def _add_spec(self, job: Job, entry: JobEntry) -> None:
        try:
            job.spec.CopyFrom(self._submissions.spec_of(entry))
        except (ObjectMissingError, CorruptObjectError) as error:
            if entry.is_running:
                in_trouble(job, str(error))

    def _counts(self, job: ClusterJob) -> bool:
        """Returns whether a cancel that was published counts; its place in the ledger decides (U3)."""
        deadline = self._desk.clock.monotonic() + HOLD_SECONDS
        while self._desk.clock.monotonic() < deadline:
            job.read_on()
            with job.held() as follower:
                if follower.walk.cancelled:
                    return True
                if not may_be_cancelled(follower):
                    return False
            self._desk.clock.sleep(_LOOK_SECONDS)
        raise RetriableError("the cancel stands in the ledger, and cannot be read back yet")


def _place(entry: JobEntry) -> str:
    """Returns what jobs are ordered by: the time of admission, then the id."""
    return f"{entry.admitted_at.isoformat()}/{entry.job_id}"
