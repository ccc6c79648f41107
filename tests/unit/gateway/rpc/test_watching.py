"""How a job is watched."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pairmill_gateway.rpc.watching import watched_job
from pairmill_protos.gateway.v1.job_service_pb2 import Job, JobState


def jobs_of(*states: JobState.ValueType) -> list[Job]:
    return [Job(job_id="j1", state=state) for state in states]


def watch(moments: Iterable[Job], interval: float = 1.0) -> tuple[list[JobState.ValueType], list[float]]:
    """Returns the states that were said, and the waits between."""
    coming, waits = iter(moments), list[float]()
    said = [job.state for job in watched_job(lambda: next(coming), waits.append, interval)]
    return said, waits


@pytest.mark.parametrize(
    "state", [JobState.JOB_STATE_COMPLETE, JobState.JOB_STATE_INCOMPLETE, JobState.JOB_STATE_CANCELLED]
)
def test_of_a_job_that_has_ended_it_says_so_and_ends(state: JobState.ValueType) -> None:
    assert watch(jobs_of(state)) == ([state], [])


def test_a_blocked_job_has_not_ended() -> None:
    blocked, cancelled = JobState.JOB_STATE_BLOCKED, JobState.JOB_STATE_CANCELLED
    assert watch(jobs_of(blocked, cancelled))[0] == [blocked, cancelled]


def test_it_leaves_the_spec_out() -> None:
    job = Job(job_id="j1", state=JobState.JOB_STATE_COMPLETE)
    job.spec.crawl = "CC-MAIN-2024-10"
    assert [said.HasField("spec") for said in watched_job(lambda: job, lambda _: None, 1.0)] == [False]
