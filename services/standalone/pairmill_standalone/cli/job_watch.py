"""Following a job to its end, over restarts of the gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from pairmill_protos.gateway.v1.job_service_pb2 import Job, JobState
from pairmill_standalone.cli.api_watch import PATIENCE_SECONDS, followed
from pairmill_standalone.cli.job_client import JobClient

ENDED: Final = frozenset(
    {JobState.JOB_STATE_COMPLETE, JobState.JOB_STATE_INCOMPLETE, JobState.JOB_STATE_CANCELLED}
)


def follow(
    client: JobClient,
    job_id: str,
    interval_seconds: float,
    tell: Callable[[str], None],
    patience_seconds: float = PATIENCE_SECONDS,
    *,
    is_known: bool = False,
) -> Iterator[Job]:
    """Yields a job as it goes on, until it has ended; raises as `followed` does.

    A job is known where a gateway has just admitted it.
    """
    return followed(
        client.caller,
        "the job",
        lambda: client.stream(job_id, interval_seconds),
        lambda job: job.state in ENDED,
        tell,
        patience_seconds,
        is_known=is_known,
    )
