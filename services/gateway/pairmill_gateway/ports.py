"""What the gateway needs from outside besides bus and store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

from pairmill.dataset.reader import Dataset
from pairmill.ledger.follower import JobFollower
from pairmill_gateway.status import JobStatus
from pairmill_protos.job.v1.job_pb2 import JobEnded

Render: TypeAlias = Callable[[Dataset], str]
"""Returns the report of a dataset as a page."""


class StatusSink(Protocol):
    """Where people look for how far a job has come."""

    def show(self, status: JobStatus) -> None:
        """Shows the latest status of a job."""
        ...


class NoSink:
    """Shows nothing."""

    def show(self, status: JobStatus) -> None:
        """Does nothing."""


Repeat = Literal["failed", "lost"]
"""Why a unit is handed out again: an attempt failed, or its task got lost."""


class HandOutObserver(Protocol):
    """Is told of units that are handed out again. Thread-safe."""

    def handed_out_again(self, cause: Repeat, times: int) -> None:
        """A unit was handed out again, so many times by now."""
        ...


class NobodyToTell:
    """Takes measures and forgets them."""

    def handed_out_again(self, cause: Repeat, times: int) -> None:
        """Does nothing."""


class Finisher(Protocol):
    """Writes what stands when a job has ended."""

    def finish(self, follower: JobFollower) -> JobEnded:
        """Writes ledger file, report and, last, the manifest; the same again gives the same."""
        ...
