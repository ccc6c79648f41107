"""When a watch speaks: at once, after a change, now and then so that nobody cuts it off, and at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from pairmill_protos.gateway.v1.job_service_pb2 import Job, JobState

DEFAULT_SECONDS: Final = 1.0
LEAST_SECONDS: Final = 0.2
MOST_SECONDS: Final = 60.0
QUIET_SECONDS: Final = 10.0
"""Longest silence, except where the caller asks for a longer interval; proxies cut off what is quiet."""

ENDED: Final = frozenset(
    {JobState.JOB_STATE_COMPLETE, JobState.JOB_STATE_INCOMPLETE, JobState.JOB_STATE_CANCELLED}
)
"""States that a job does not leave."""


def watched(get: Callable[[], Job], wait: Callable[[float], None], interval_seconds: float) -> Iterator[Job]:
    """Yields a job at once, then after each interval in which it changed, until it has ended.

    The pinned spec is left out: `GetJob` has it. `wait` ends the watch by raising.
    """
    said, quiet = None, 0.0
    while True:
        job = Job()
        job.CopyFrom(get())
        job.ClearField("spec")
        data = job.SerializeToString(deterministic=True)
        if data != said or quiet >= QUIET_SECONDS:
            said, quiet = data, 0.0
            yield job
        if job.state in ENDED:
            return
        wait(interval_seconds)
        quiet += interval_seconds
