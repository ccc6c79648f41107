"""How a job is watched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from pairmill.watching import watched
from pairmill_protos.gateway.v1.job_service_pb2 import Job, JobState

DEFAULT_SECONDS: Final = 1.0
LEAST_SECONDS: Final = 0.2
MOST_SECONDS: Final = 60.0

ENDED: Final = frozenset(
    {JobState.JOB_STATE_COMPLETE, JobState.JOB_STATE_INCOMPLETE, JobState.JOB_STATE_CANCELLED}
)
"""States that a job does not leave."""


def watched_job(get: Callable[[], Job], wait: Callable[[float], None], seconds: float) -> Iterator[Job]:
    """Yields a job as `watched` does, without its pinned spec: `GetJob` has that."""

    def shown() -> Job:
        job = Job()
        job.CopyFrom(get())
        job.ClearField("spec")
        return job

    return watched(shown, lambda job: job.state in ENDED, wait, seconds)
