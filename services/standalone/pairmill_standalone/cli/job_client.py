"""A client of the gateway's API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from pairmill_protos.gateway.v1.audit_service_pb2 import (
    DeadLetter,
    GetFunnelRequest,
    GetFunnelResponse,
    ListDeadLettersRequest,
    ListOpenUnitsRequest,
    ListOrphansRequest,
    OpenUnit,
    Orphan,
    ReplayDeadLettersRequest,
    ReplayDeadLettersResponse,
)
from pairmill_protos.gateway.v1.job_service_pb2 import (
    CancelJobRequest,
    GetJobRequest,
    Job,
    JobState,
    ListJobsRequest,
    ResumeJobRequest,
    SubmitJobRequest,
    SubmitJobResponse,
    WatchJobRequest,
)
from pairmill_protos.unit.v1.unit_pb2 import Stage
from pairmill_standalone.cli.api_caller import Caller

if TYPE_CHECKING:
    import grpc

MAX_PAGE: Final = 1000


class JobClient:
    """Calls a gateway. Raises what `Caller` does."""

    def __init__(self, channel: grpc.Channel, caller: Caller) -> None:
        from pairmill_protos.gateway.v1.audit_service_pb2_grpc import AuditServiceStub
        from pairmill_protos.gateway.v1.job_service_pb2_grpc import JobServiceStub

        self._jobs = JobServiceStub(channel)
        self._audits = AuditServiceStub(channel)
        self.caller = caller

    def submit(self, request: SubmitJobRequest) -> SubmitJobResponse:
        """Admits a job; the same request again is the same job, so the call is repeated."""
        return self.caller.call(self._jobs.SubmitJob, request)

    def get(self, job_id: str) -> Job:
        """Returns a job."""
        return self.caller.call(self._jobs.GetJob, GetJobRequest(job_id=job_id)).job

    def newest(self, states: list[JobState.ValueType], most: int) -> list[Job]:
        """Returns the newest jobs."""
        return _pages(
            lambda size, token: self.caller.call(
                self._jobs.ListJobs, ListJobsRequest(page_size=size, page_token=token, states=states)
            ),
            lambda answer: answer.jobs,
            most,
        )

    def cancel(self, job_id: str, reason: str) -> Job:
        """Cancels a job; again does no harm, so the call is repeated."""
        return self.caller.call(self._jobs.CancelJob, CancelJobRequest(job_id=job_id, reason=reason)).job

    def resume(self, job_id: str) -> Job:
        """Lets a blocked job try again."""
        return self.caller.call(self._jobs.ResumeJob, ResumeJobRequest(job_id=job_id), repeat=False).job

    def funnel(self, job_id: str) -> GetFunnelResponse:
        """Returns the funnel of a job."""
        return self.caller.call(self._audits.GetFunnel, GetFunnelRequest(job_id=job_id))

    def open_units(self, job_id: str, stage: Stage.ValueType, most: int) -> list[OpenUnit]:
        """Returns the oldest open units of a job."""
        return _pages(
            lambda size, token: self.caller.call(
                self._audits.ListOpenUnits,
                ListOpenUnitsRequest(job_id=job_id, stage=stage, page_size=size, page_token=token),
            ),
            lambda answer: answer.units,
            most,
        )

    def orphans(self, job_id: str, most: int) -> list[Orphan]:
        """Returns records of a job that count for nothing."""
        return _pages(
            lambda size, token: self.caller.call(
                self._audits.ListOrphans, ListOrphansRequest(job_id=job_id, page_size=size, page_token=token)
            ),
            lambda answer: answer.orphans,
            most,
        )

    def dead_letters(self, job_id: str, most: int) -> list[DeadLetter]:
        """Returns what was given up."""
        return _pages(
            lambda size, token: self.caller.call(
                self._audits.ListDeadLetters,
                ListDeadLettersRequest(job_id=job_id, page_size=size, page_token=token),
            ),
            lambda answer: answer.letters,
            most,
        )

    def replay(self, job_id: str, fork: bool) -> ReplayDeadLettersResponse:
        """Admits a repair; not repeated, for a fork is another one each time."""
        request = ReplayDeadLettersRequest(job_id=job_id, fork=fork)
        return self.caller.call(self._audits.ReplayDeadLetters, request, repeat=False)

    @contextmanager
    def stream(self, job_id: str, interval_seconds: float) -> Iterator[Iterator[Job]]:
        """Gives the messages of one watch; grpc's errors come through, for they say whether to go on."""
        request = WatchJobRequest(job_id=job_id, interval_seconds=interval_seconds)
        with self.caller.stream(self._jobs.WatchJob, request) as answers:
            yield (answer.job for answer in answers)


def _pages(ask: Callable[[int, str], Any], entries: Callable[[Any], Any], most: int) -> list[Any]:
    """Returns up to `most` entries, page by page."""
    found: list[Any] = []
    token = ""
    while len(found) < most:
        answer = ask(min(MAX_PAGE, most - len(found)), token)
        found.extend(entries(answer))
        token = answer.next_page_token
        if not token:
            break
    return found
