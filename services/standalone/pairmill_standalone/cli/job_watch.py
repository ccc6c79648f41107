"""Following a job to its end, over restarts of the gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from pairmill_protos.gateway.v1.job_service_pb2 import Job, JobState
from pairmill_standalone.cli.job_client import JobClient, may_pass, pause_seconds

ENDED: Final = frozenset(
    {JobState.JOB_STATE_COMPLETE, JobState.JOB_STATE_INCOMPLETE, JobState.JOB_STATE_CANCELLED}
)
PATIENCE_SECONDS: Final = 600.0
"""For how long a gateway may be away before the watch gives up."""

_PASSING: Final = frozenset(
    {"DEADLINE_EXCEEDED", "CANCELLED", "RESOURCE_EXHAUSTED", "ABORTED", "UNKNOWN", "INTERNAL"}
)
_SAID_AFTER: Final = 2


def follow(
    client: JobClient,
    job_id: str,
    interval_seconds: float,
    tell: Callable[[str], None],
    patience_seconds: float = PATIENCE_SECONDS,
) -> Iterator[Job]:
    """Yields a job as it goes on, until it has ended.

    A gateway that restarts or is exchanged is waited for; the second failure in a row is told. Raises
    what the gateway says for good, and RetriableError after `patience_seconds` without an answer.
    """
    import grpc

    heard_at, failures, seen = client.clock.monotonic(), 0, False
    while True:
        try:
            with client.stream(job_id, interval_seconds) as jobs:
                for job in jobs:
                    heard_at, failures, seen = client.clock.monotonic(), 0, True
                    yield job
                    if job.state in ENDED:
                        return
        except grpc.RpcError as error:
            late = client.clock.monotonic() - heard_at >= patience_seconds
            if late or not _will_pass(error, seen):
                raise client.error(error) from error
            if failures == _SAID_AFTER - 1:
                tell(
                    f"{client.target} does not answer; the job goes on, and so does the watch when it is back"
                )
        client.clock.sleep(pause_seconds(failures))
        failures += 1


def _will_pass(error: Any, seen: bool) -> bool:
    """Whether to ask again; a job that was there is one that a gateway has not read yet."""
    code = error.code().name
    return may_pass(error) or code in _PASSING or (code == "NOT_FOUND" and seen)
