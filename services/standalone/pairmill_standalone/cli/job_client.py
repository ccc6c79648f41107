"""A client of the gateway's API: a deadline on each call, calls repeated where that does no harm."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pairmill.clock import Clock
from pairmill.errors import PairmillError
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
from pairmill_standalone.cli.job_errors import error_of

if TYPE_CHECKING:
    import grpc

T = TypeVar("T")

STREAM_SECONDS: Final = 600.0
"""Deadline of one stream; a longer watch is several of them."""

MAX_PAGE: Final = 1000
_FIRST_PAUSE_SECONDS: Final = 0.1
_MAX_PAUSE_SECONDS: Final = 5.0


class JobClient:
    """Calls a gateway. Raises our errors: ConfigurationError for a wrong request, RetriableError, …"""

    def __init__(
        self,
        channel: grpc.Channel,
        *,
        target: str,
        token: Callable[[], str],
        timeout_seconds: float,
        clock: Clock,
        tell: Callable[[str], None],
    ) -> None:
        from pairmill_protos.gateway.v1.audit_service_pb2_grpc import AuditServiceStub
        from pairmill_protos.gateway.v1.job_service_pb2_grpc import JobServiceStub

        self._jobs = JobServiceStub(channel)
        self._audits = AuditServiceStub(channel)
        self._token = token
        self._timeout_seconds = timeout_seconds
        self._tell = tell
        self.target = target
        self.clock = clock

    def submit(self, request: SubmitJobRequest) -> SubmitJobResponse:
        """Admits a job; the same request again is the same job, so the call is repeated."""
        return self._call(self._jobs.SubmitJob, request)

    def get(self, job_id: str) -> Job:
        """Returns a job."""
        return self._call(self._jobs.GetJob, GetJobRequest(job_id=job_id)).job

    def newest(self, states: list[JobState.ValueType], most: int) -> list[Job]:
        """Returns the newest jobs."""
        return _pages(
            lambda size, token: self._call(
                self._jobs.ListJobs, ListJobsRequest(page_size=size, page_token=token, states=states)
            ),
            lambda answer: answer.jobs,
            most,
        )

    def cancel(self, job_id: str, reason: str) -> Job:
        """Cancels a job; again does no harm, so the call is repeated."""
        return self._call(self._jobs.CancelJob, CancelJobRequest(job_id=job_id, reason=reason)).job

    def resume(self, job_id: str) -> Job:
        """Lets a blocked job try again."""
        return self._call(self._jobs.ResumeJob, ResumeJobRequest(job_id=job_id), repeat=False).job

    def funnel(self, job_id: str) -> GetFunnelResponse:
        """Returns the funnel of a job."""
        return self._call(self._audits.GetFunnel, GetFunnelRequest(job_id=job_id))

    def open_units(self, job_id: str, stage: Stage.ValueType, most: int) -> list[OpenUnit]:
        """Returns the oldest open units of a job."""
        return _pages(
            lambda size, token: self._call(
                self._audits.ListOpenUnits,
                ListOpenUnitsRequest(job_id=job_id, stage=stage, page_size=size, page_token=token),
            ),
            lambda answer: answer.units,
            most,
        )

    def orphans(self, job_id: str, most: int) -> list[Orphan]:
        """Returns records of a job that count for nothing."""
        return _pages(
            lambda size, token: self._call(
                self._audits.ListOrphans, ListOrphansRequest(job_id=job_id, page_size=size, page_token=token)
            ),
            lambda answer: answer.orphans,
            most,
        )

    def dead_letters(self, job_id: str, most: int) -> list[DeadLetter]:
        """Returns what was given up."""
        return _pages(
            lambda size, token: self._call(
                self._audits.ListDeadLetters,
                ListDeadLettersRequest(job_id=job_id, page_size=size, page_token=token),
            ),
            lambda answer: answer.letters,
            most,
        )

    def replay(self, job_id: str, fork: bool) -> ReplayDeadLettersResponse:
        """Admits a repair; not repeated, for a fork is another one each time."""
        request = ReplayDeadLettersRequest(job_id=job_id, fork=fork)
        return self._call(self._audits.ReplayDeadLetters, request, repeat=False)

    @contextmanager
    def stream(self, job_id: str, interval_seconds: float) -> Iterator[Iterator[Job]]:
        """Gives the messages of one watch; grpc's errors come through, for they say whether to go on."""
        request = WatchJobRequest(job_id=job_id, interval_seconds=interval_seconds)
        call = self._jobs.WatchJob(request, timeout=STREAM_SECONDS, metadata=self._metadata())
        try:
            yield (answer.job for answer in call)
        finally:
            call.cancel()

    def error(self, error: grpc.RpcError) -> PairmillError:
        """Returns our error for one of grpc's."""
        return error_of(error, self.target)

    def _call(self, method: Callable[..., T], request: Any, *, repeat: bool = True) -> T:
        """Calls within the time-out, again while the gateway is away if that does no harm."""
        import grpc

        deadline, attempt = self.clock.monotonic() + self._timeout_seconds, 0
        while True:
            remaining = max(0.001, deadline - self.clock.monotonic())
            try:
                return method(request, timeout=remaining, metadata=self._metadata())
            except grpc.RpcError as error:
                pause = pause_seconds(attempt)
                late = self.clock.monotonic() + pause >= deadline
                if late or not repeat or not may_pass(error):
                    raise self.error(error) from error
                if attempt == 1:
                    self._tell(f"{self.target} does not answer; trying for {self._timeout_seconds:g} s")
                self.clock.sleep(pause)
                attempt += 1

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self._token()}"),)


def pause_seconds(attempt: int) -> float:
    """Returns how long to wait before trying again: twice as long each time, up to 5 s, by chance less."""
    longest = min(_MAX_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** min(attempt, 10))
    return longest * random.uniform(0.5, 1.0)


def may_pass(error: Any) -> bool:
    """Whether a gateway is only away; that it is not trusted, or speaks no TLS, does not pass."""
    return error.code().name == "UNAVAILABLE" and "handshake failed" not in (error.details() or "").lower()


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
