"""What the gRPC services need behind them. Messages of the API are the values."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from pairmill.errors import PairmillError
from pairmill.rpc.callers import Caller
from pairmill_protos.gateway.v1.audit_service_pb2 import (
    GetFunnelResponse,
    ListDeadLettersResponse,
    ListOpenUnitsResponse,
    ListOrphansResponse,
    ReplayDeadLettersResponse,
)
from pairmill_protos.gateway.v1.job_service_pb2 import Job, JobState, SubmitJobRequest
from pairmill_protos.gateway.v1.unit_service_pb2 import UnitKey, UnitStanding
from pairmill_protos.unit.v1.unit_pb2 import Stage


class UnknownJobError(PairmillError):
    """There is no such job, or it is not the caller's."""


class WrongStateError(PairmillError):
    """The job is not in a state for this; the message says what it would take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list is wanted."""

    size: int  # most entries
    after: str = ""  # where the page before ended; empty for the first


class Jobs(Protocol):
    """All jobs. Thread-safe.

    Raises ConfigurationError with a line `field: problem` each for a wrong request, UnknownJobError,
    WrongStateError, and RetriableError while bus or store are away.
    """

    def submit(self, request: SubmitJobRequest, caller: Caller) -> tuple[Job, bool]:
        """Returns the job, and whether this call admitted it; durable on return."""
        ...

    def get(self, job_id: str, caller: Caller) -> Job:
        """Returns a job with progress and spec."""
        ...

    def list(
        self, page: Page, states: Collection[JobState.ValueType], caller: Caller
    ) -> tuple[Sequence[Job], str]:
        """Returns jobs, the newest first, and where the page ends, empty on the last one."""
        ...

    def cancel(self, job_id: str, reason: str, caller: Caller) -> Job:
        """Cancels a job and returns it; the same again does no harm."""
        ...

    def resume(self, job_id: str, caller: Caller) -> Job:
        """Lets a blocked job try again and returns it."""
        ...


class Audits(Protocol):
    """What the walk shows of a job. Thread-safe; raises like `Jobs`."""

    def funnel(self, job_id: str, caller: Caller) -> GetFunnelResponse:
        """Returns the funnel as of now."""
        ...

    def open_units(
        self, job_id: str, stage: Stage.ValueType, page: Page, caller: Caller
    ) -> ListOpenUnitsResponse:
        """Returns open units, the oldest first."""
        ...

    def orphans(self, job_id: str, page: Page, caller: Caller) -> ListOrphansResponse:
        """Returns records that count for nothing, in ledger order."""
        ...

    def dead_letters(self, job_id: str, page: Page, caller: Caller) -> ListDeadLettersResponse:
        """Returns units that were given up, or, without a job, records that could not be read."""
        ...

    def replay(self, job_id: str, fork: bool, caller: Caller) -> ReplayDeadLettersResponse:
        """Admits a repair of what was given up."""
        ...


class Standings(Protocol):
    """Answers stages. Thread-safe."""

    def ask(self, units: Sequence[UnitKey]) -> Sequence[UnitStanding]:
        """Returns the standing of each unit, in order."""
        ...
