"""What a service gives to the stage loop, and what it gets from it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from pairmill.store.port import ObjectStore
from pairmill.units import object_key
from pairmill_protos.common.v1.outcome_pb2 import Count, Outcome, Reason
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, Stage, UnitTask


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitContext:
    """One attempt at one unit."""

    task: UnitTask
    spec: JobSpec
    attempt: str  # 8 hex digits, part of every object's name (U4)
    store: ObjectStore
    scratch: Path  # a private folder, removed when the attempt ends
    cut_off: threading.Event  # set when the unit should end with what it has (U9) or raise CutOffError
    report_progress: Callable[[int, int], None]  # (rows done, rows in all); cheap, may be called often
    isolated: bool = False  # the unit was started three times without an end: work in fresh children (U13)

    def key(self, folder: str, suffix: str, prefix: str = "") -> str:
        """Returns the name of one of this attempt's objects."""
        return object_key(folder, self.task.unit_id, self.attempt, suffix, prefix)

    def put_file(
        self, key: str, path: Path, *, role: str, rows: int = 0, partition: int | None = None
    ) -> ObjectRef:
        """Stores a finished file and returns its reference."""
        info = self.store.put_file(key, path)
        return ObjectRef(
            key=key, bytes=info.size_bytes, sha256=info.sha256, rows=rows, role=role, partition=partition
        )

    def put(
        self, key: str, data: bytes, *, role: str, rows: int = 0, partition: int | None = None
    ) -> ObjectRef:
        """Stores bytes and returns their reference."""
        self.store.put(key, data)
        return ObjectRef(
            key=key,
            bytes=len(data),
            sha256=hashlib.sha256(data).digest(),
            rows=rows,
            role=role,
            partition=partition,
        )

    def fetch(self, ref: ObjectRef) -> Path:
        """Returns a local, verified copy of an object in the scratch folder."""
        path = self.scratch / f"in-{ref.sha256.hex()[:16]}-{Path(ref.key).name}"
        if not path.exists():
            self.store.fetch(ref.key, path, sha256=ref.sha256)
        return path


Tally: TypeAlias = "Mapping[tuple[Outcome.ValueType, Reason.ValueType], int]"
"""Rows by how and why they ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitResult:
    """The whole effect of a unit; objects are stored already, nothing else has happened."""

    rows_in: int
    tally: Tally
    outputs: Sequence[ObjectRef] = ()
    follow_ups: Sequence[UnitTask] = field(default=())

    def __post_init__(self) -> None:
        """Refuses a result that does not balance (U2)."""
        total = sum(self.tally.values())
        if total != self.rows_in:
            raise ValueError(f"the unit does not balance: {self.rows_in} rows in, {total} accounted for")

    def counts(self) -> list[Count]:
        """Returns the tally as records, ordered."""
        return [
            Count(outcome=outcome, reason=reason, rows=rows)
            for (outcome, reason), rows in sorted(self.tally.items())
            if rows
        ]


class Handler(Protocol):
    """Work of one stage. Repeatable: same input, same decisions, other object names.

    `handle` runs in one of several worker threads at once and must be thread-safe. It raises
    RetriableError while the environment does not allow the work (the unit is kept and tried again
    with back-off, nothing is counted against it), CutOffError when it was cut off with nothing to
    show, and anything else for a unit that fails (U13).
    """

    stage: Stage.ValueType

    def handle(self, context: UnitContext) -> UnitResult:
        """Returns the unit's whole effect."""
        ...

    def self_test(self) -> None:
        """Works on a known-good unit without touching bus or store; raises if that fails (U14)."""
        ...

    def close(self) -> None:
        """Ends child processes and connections."""
        ...


@runtime_checkable
class PartitionsListener(Protocol):
    """What a handler may be besides, if it has to know that other members worked on its partitions."""

    def partitions_gained(self) -> None:
        """Is called before work on partitions that this process did not own a moment ago (U10)."""
        ...


@runtime_checkable
class TenureHolder(Protocol):
    """What a handler may be besides, if what it does to others needs its partitions to be its own."""

    def hold_tenure(self, holds: Callable[[], bool]) -> None:
        """Is told whom to ask, at any time and in any thread, whether it may go on (U10)."""
        ...
