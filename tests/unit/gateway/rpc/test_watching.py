"""When a watch speaks."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pairmill_gateway.rpc.watching import QUIET_SECONDS, watched
from pairmill_protos.gateway.v1.job_service_pb2 import Job, JobState


def jobs_of(*states: JobState.ValueType) -> list[Job]:
    return [Job(job_id="j1", state=state) for state in states]


def watch(moments: Iterable[Job], interval: float = 1.0) -> tuple[list[JobState.ValueType], list[float]]:
    """Returns the states that were said, and the waits between."""
    coming, waits = iter(moments), list[float]()
    said = [job.state for job in watched(lambda: next(coming), waits.append, interval)]
    return said, waits


def test_it_speaks_at_once_at_changes_and_at_the_end() -> None:
    crawling, draining, complete = (
        JobState.JOB_STATE_CRAWLING,
        JobState.JOB_STATE_DRAINING,
        JobState.JOB_STATE_COMPLETE,
    )
    said, waits = watch(jobs_of(crawling, crawling, draining, draining, draining, complete))
    assert said == [crawling, draining, complete]
    assert waits == [1.0] * 5


@pytest.mark.parametrize(
    "state", [JobState.JOB_STATE_COMPLETE, JobState.JOB_STATE_INCOMPLETE, JobState.JOB_STATE_CANCELLED]
)
def test_of_a_job_that_has_ended_it_says_so_and_ends(state: JobState.ValueType) -> None:
    assert watch(jobs_of(state)) == ([state], [])


def test_a_blocked_job_has_not_ended() -> None:
    blocked, cancelled = JobState.JOB_STATE_BLOCKED, JobState.JOB_STATE_CANCELLED
    assert watch(jobs_of(blocked, cancelled))[0] == [blocked, cancelled]


def test_it_is_never_quiet_for_long() -> None:
    turns = int(QUIET_SECONDS) * 3
    said, waits = watch(
        [*jobs_of(*[JobState.JOB_STATE_CRAWLING] * turns), *jobs_of(JobState.JOB_STATE_COMPLETE)]
    )
    assert len(said) == 4
    assert len(waits) == turns


def test_it_leaves_the_spec_out() -> None:
    job = Job(job_id="j1", state=JobState.JOB_STATE_COMPLETE)
    job.spec.crawl = "CC-MAIN-2024-10"
    assert [said.HasField("spec") for said in watched(lambda: job, lambda _: None, 1.0)] == [False]


def test_it_ends_where_waiting_ends() -> None:
    def gone(seconds: float) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        list(watched(lambda: Job(state=JobState.JOB_STATE_CRAWLING), gone, 1.0))
