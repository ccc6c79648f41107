"""Jobs behind the API, in memory: admitted at once, moved on by the test."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from pairmill.rpc.callers import Caller
from pairmill_gateway.rpc.ports import Page, UnknownJobError, WrongStateError
from pairmill_protos.common.v1.outcome_pb2 import Count, Outcome, Reason
from pairmill_protos.gateway.v1.audit_service_pb2 import (
    DeadLetter,
    FunnelStage,
    GetFunnelResponse,
    ListDeadLettersResponse,
    ListOpenUnitsResponse,
    ListOrphansResponse,
    OpenUnit,
    Orphan,
    ReplayDeadLettersResponse,
)
from pairmill_protos.gateway.v1.job_service_pb2 import (
    BlockedUnit,
    Job,
    JobProgress,
    JobState,
    StageProgress,
    SubmitJobRequest,
)
from pairmill_protos.gateway.v1.unit_service_pb2 import UnitKey, UnitStanding
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, Stage

T = TypeVar("T")

ENDED = (JobState.JOB_STATE_COMPLETE, JobState.JOB_STATE_INCOMPLETE, JobState.JOB_STATE_CANCELLED)
FIRST_ADMISSION = datetime(2026, 11, 25, tzinfo=UTC)


class FakeJobs:
    """Jobs, audits and standings of one pipeline. `trouble` is raised by every call while it is set."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._jobs: dict[str, Job] = {}
        self._tenants: dict[str, str] = {}
        self._by_key: dict[tuple[str, str], str] = {}
        self.trouble: Exception | None = None
        self.before_answer: Callable[[], None] = lambda: None
        self.asked = 0
        self.requests: list[SubmitJobRequest] = []
        self.hidden: set[str] = set()  # jobs that are not known for the time being
        self.open_by_job: dict[str, list[OpenUnit]] = {}
        self.orphans_by_job: dict[str, list[Orphan]] = {}
        self.letters_by_job: dict[str, list[DeadLetter]] = {}

    # What tests do to jobs

    def change(self, job_id: str, change: Callable[[Job], None]) -> None:
        """Changes a job."""
        with self._lock:
            change(self._jobs[job_id])

    def enter(self, job_id: str, state: JobState.ValueType, *lacks: str) -> None:
        """Moves a job to a state."""

        def move(job: Job) -> None:
            job.state = state
            job.lacks[:] = lacks
            if state in ENDED and state != JobState.JOB_STATE_CANCELLED:
                job.manifest.CopyFrom(ObjectRef(key="dataset.json", bytes=1234, sha256=b"m" * 32))
            if state == JobState.JOB_STATE_BLOCKED:
                job.blocked.CopyFrom(BlockedUnit(unit_id=f"{job_id}/w0000/r0000", error="no such bundle"))

        self.change(job_id, move)

    def progress_to(self, job_id: str, ended: int) -> None:
        """Lets a number of candidates be downloaded."""
        self.change(job_id, lambda job: job.progress.CopyFrom(progress_with(ended)))

    def submitted(self) -> list[Job]:
        """Returns all jobs in order of their admission."""
        with self._lock:
            return [_copy(job) for job in self._jobs.values()]

    # Jobs

    def submit(self, request: SubmitJobRequest, caller: Caller) -> tuple[Job, bool]:
        with self._asked():
            self.requests.append(request)
            request_id = request.SerializeToString(deterministic=True)
            key = (caller.tenant, request.idempotency_key or hashlib.sha256(request_id).hexdigest())
            if key in self._by_key:
                return _copy(self._jobs[self._by_key[key]]), False
            job_id = "j" + hashlib.sha256("\0".join(key).encode()).hexdigest()[:12]
            job = new_job(job_id, request, caller, FIRST_ADMISSION + timedelta(seconds=len(self._jobs)))
            if request.validate_only:
                job.ClearField("admitted_at")
                return job, False
            self._jobs[job_id], self._tenants[job_id], self._by_key[key] = job, caller.tenant, job_id
            return _copy(job), True

    def get(self, job_id: str, caller: Caller) -> Job:
        with self._asked():
            return _copy(self._known(job_id, caller))

    def list(
        self, page: Page, states: Collection[JobState.ValueType], caller: Caller
    ) -> tuple[Sequence[Job], str]:
        with self._asked():
            jobs = [
                _copy(job)
                for job_id, job in reversed(self._jobs.items())
                if self._tenants[job_id] == caller.tenant and (not states or job.state in states)
            ]
            return _cut(jobs, page)

    def cancel(self, job_id: str, reason: str, caller: Caller) -> Job:
        with self._asked():
            job = self._known(job_id, caller)
            if job.state in (JobState.JOB_STATE_FINALISING, *ENDED[:2]):
                raise WrongStateError(f"{job_id} is being finished; it ends by itself")
            job.state = JobState.JOB_STATE_CANCELLED
            job.lacks[:] = [f"the job was cancelled: {reason}"]
            return _copy(job)

    def resume(self, job_id: str, caller: Caller) -> Job:
        with self._asked():
            job = self._known(job_id, caller)
            if job.state != JobState.JOB_STATE_BLOCKED:
                raise WrongStateError(f"{job_id} is not blocked")
            job.state = JobState.JOB_STATE_CRAWLING
            job.ClearField("blocked")
            return _copy(job)

    # Audits

    def funnel(self, job_id: str, caller: Caller) -> GetFunnelResponse:
        with self._asked():
            self._known(job_id, caller)
            counts = [Count(outcome=Outcome.OUTCOME_PASSED, rows=7), _count("FAILED", "ROBOTS_DISALLOWED", 3)]
            stage = FunnelStage(stage=Stage.STAGE_DOWNLOAD, rows_in=10, counts=counts)
            problems = ["download: 2 unit(s) are open"] if self.open_by_job.get(job_id) else []
            return GetFunnelResponse(stages=[stage], problems=problems)

    def open_units(
        self, job_id: str, stage: Stage.ValueType, page: Page, caller: Caller
    ) -> ListOpenUnitsResponse:
        with self._asked():
            self._known(job_id, caller)
            units = [unit for unit in self.open_by_job.get(job_id, []) if stage in (0, unit.stage)]
            shown, after = _cut(units, page)
            return ListOpenUnitsResponse(units=shown, next_page_token=after)

    def orphans(self, job_id: str, page: Page, caller: Caller) -> ListOrphansResponse:
        with self._asked():
            self._known(job_id, caller)
            shown, after = _cut(self.orphans_by_job.get(job_id, []), page)
            return ListOrphansResponse(orphans=shown, next_page_token=after)

    def dead_letters(self, job_id: str, page: Page, caller: Caller) -> ListDeadLettersResponse:
        with self._asked():
            if job_id:
                self._known(job_id, caller)
            shown, after = _cut(self.letters_by_job.get(job_id, []), page)
            return ListDeadLettersResponse(letters=shown, next_page_token=after)

    def replay(self, job_id: str, fork: bool, caller: Caller) -> ReplayDeadLettersResponse:
        with self._asked():
            job = self._known(job_id, caller)
            if job.state not in ENDED:
                raise WrongStateError(f"{job_id} has not ended; wait for its end")
            rows = sum(letter.rows for letter in self.letters_by_job.get(job_id, []))
            return ReplayDeadLettersResponse(job_id=f"{job_id}-repair", rows=rows)

    # Standings

    def ask(self, units: Sequence[UnitKey]) -> Sequence[UnitStanding]:
        with self._asked():
            return [UnitStanding(wanted=unit.job_id in self._jobs, starts=1) for unit in units]

    def _asked(self) -> threading.RLock:
        self.asked += 1
        self.before_answer()
        if self.trouble is not None:
            raise self.trouble
        return self._lock

    def _known(self, job_id: str, caller: Caller) -> Job:
        if self._tenants.get(job_id) != caller.tenant or job_id in self.hidden:
            raise UnknownJobError(f"there is no job {job_id}")
        return self._jobs[job_id]


def new_job(job_id: str, request: SubmitJobRequest, caller: Caller, admitted_at: datetime) -> Job:
    """Returns a job as it is once admitted."""
    job = Job(
        job_id=job_id,
        state=JobState.JOB_STATE_ADMITTED,
        dataset=f"s3://bucket/{job_id}",
        profile=request.profile or "default",
        submitted_by=caller.name,
        progress=progress_with(0),
    )
    job.admitted_at.FromDatetime(admitted_at)
    job.spec.crawl = request.crawl
    job.spec.wat_count = len(request.wats)
    return job


def progress_with(ended: int) -> JobProgress:
    """Returns the progress of a job of 100 candidates of which so many were downloaded."""
    counts = [Count(outcome=Outcome.OUTCOME_PASSED, rows=ended), _count("FAILED", "DNS_ERROR", ended // 10)]
    download = StageProgress(
        stage=Stage.STAGE_DOWNLOAD, units_open=2, units_closed=ended // 10, counts=counts, rows_per_second=5.0
    )
    return JobProgress(
        stages=[StageProgress(stage=Stage.STAGE_CRAWL, units_closed=1), download],
        candidates_planned=100,
        candidates_ended=ended,
        candidates_passed=ended // 2,
        waves=3,
        waves_waiting=1,
    )


def _count(outcome: str, reason: str, rows: int) -> Count:
    return Count(
        outcome=Outcome.Value(f"OUTCOME_{outcome}"), reason=Reason.Value(f"REASON_{reason}"), rows=rows
    )


def _cut(entries: Iterable[T], page: Page) -> tuple[list[T], str]:
    listed = list(entries)
    begin = int(page.after or 0)
    end = begin + page.size
    return listed[begin:end], str(end) if end < len(listed) else ""


def _copy(job: Job) -> Job:
    copy = Job()
    copy.CopyFrom(job)
    return copy
