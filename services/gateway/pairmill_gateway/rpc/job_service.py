"""`JobService`: checks what is asked and hands it to the jobs."""

from __future__ import annotations

from collections.abc import Iterator

import grpc

from pairmill.rpc.calls import current_call, current_caller
from pairmill_gateway.rpc.paging import page_of, page_token
from pairmill_gateway.rpc.ports import Jobs
from pairmill_gateway.rpc.requests import (
    interval_problems,
    job_id_problems,
    reason_problems,
    refuse_if,
    state_problems,
    submit_problems,
)
from pairmill_gateway.rpc.watching import DEFAULT_SECONDS, LEAST_SECONDS, MOST_SECONDS, watched_job
from pairmill_protos.gateway.v1.job_service_pb2 import (
    CancelJobRequest,
    CancelJobResponse,
    GetJobRequest,
    GetJobResponse,
    Job,
    ListJobsRequest,
    ListJobsResponse,
    ResumeJobRequest,
    ResumeJobResponse,
    SubmitJobRequest,
    SubmitJobResponse,
    WatchJobRequest,
    WatchJobResponse,
)
from pairmill_protos.gateway.v1.job_service_pb2_grpc import JobServiceServicer


class JobRpc(JobServiceServicer):
    """The service; each method as its schema says."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def SubmitJob(self, request: SubmitJobRequest, context: grpc.ServicerContext) -> SubmitJobResponse:  # noqa: N802 - the method's name
        """Admits a job."""
        refuse_if(submit_problems(request))
        job, created = self._jobs.submit(request, current_caller())
        return SubmitJobResponse(job=job, created=created)

    def GetJob(self, request: GetJobRequest, context: grpc.ServicerContext) -> GetJobResponse:  # noqa: N802 - the method's name
        """Returns one job."""
        refuse_if([*job_id_problems(request.job_id)])
        return GetJobResponse(job=self._jobs.get(request.job_id, current_caller()))

    def ListJobs(self, request: ListJobsRequest, context: grpc.ServicerContext) -> ListJobsResponse:  # noqa: N802 - the method's name
        """Returns a page of jobs, without spec and progress."""
        problems = [*state_problems(request.states)]
        query = f"jobs {sorted(set(request.states))}"
        page = page_of(request.page_size, request.page_token, query, problems)
        refuse_if(problems)
        jobs, after = self._jobs.list(page, frozenset(request.states), current_caller())
        return ListJobsResponse(jobs=map(_summary, jobs), next_page_token=page_token(after, query))

    def WatchJob(  # noqa: N802 - the method's name
        self, request: WatchJobRequest, context: grpc.ServicerContext
    ) -> Iterator[WatchJobResponse]:
        """Yields a job until it has ended."""
        refuse_if(
            [
                *job_id_problems(request.job_id),
                *interval_problems(request.interval_seconds, LEAST_SECONDS, MOST_SECONDS),
            ]
        )
        caller = current_caller()
        seconds = request.interval_seconds or DEFAULT_SECONDS
        for job in watched_job(lambda: self._jobs.get(request.job_id, caller), current_call().wait, seconds):
            yield WatchJobResponse(job=job)

    def CancelJob(self, request: CancelJobRequest, context: grpc.ServicerContext) -> CancelJobResponse:  # noqa: N802 - the method's name
        """Cancels a job."""
        refuse_if([*job_id_problems(request.job_id), *reason_problems(request.reason)])
        return CancelJobResponse(job=self._jobs.cancel(request.job_id, request.reason, current_caller()))

    def ResumeJob(self, request: ResumeJobRequest, context: grpc.ServicerContext) -> ResumeJobResponse:  # noqa: N802 - the method's name
        """Lets a blocked job try again."""
        refuse_if([*job_id_problems(request.job_id)])
        return ResumeJobResponse(job=self._jobs.resume(request.job_id, current_caller()))


def _summary(job: Job) -> Job:
    summary = Job()
    summary.CopyFrom(job)
    for field in ("spec", "progress"):
        summary.ClearField(field)
    return summary
