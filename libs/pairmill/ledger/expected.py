"""The expected units of a job, open and closed, in as little memory as their questions allow.

A job of hundreds of thousands of units has few open ones at a time, besides crawl units that wait for
their turn. What is closed is kept as one string of bytes; the task of an open unit is kept serialised,
and that of a crawl unit not at all, because the job's root tells it.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from struct import Struct
from typing import Final

from pairmill.ledger.root import JobRoot
from pairmill_protos.unit.v1.unit_pb2 import Stage, UnitTask


class Closing(enum.Enum):
    """How an expected unit was closed."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancel"

    __hash__ = object.__hash__  # members are single; a hash of their names costs more than all else here


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is known of an expected unit."""

    digest: bytes
    stage: Stage.ValueType
    closing: Closing | None = None
    sequence: int = -1  # place in the ledger of the record that closed it


@dataclass(slots=True)
class OpenUnit:
    """An open unit."""

    digest: bytes
    stage: Stage.ValueType
    order: int  # ascending in the order in which units became expected
    is_first_round: bool  # of a download unit: whether its rows are tried for the first time
    task: bytes | None  # serialised; None where the root tells it


_DOWNLOAD: Final = Stage.STAGE_DOWNLOAD  # enum wrappers look each name up anew
_CLOSINGS: Final = tuple(Closing)
_NUMBER_OF: Final = {closing: number for number, closing in enumerate(_CLOSINGS)}
_CLOSED: Final = Struct("<qiB")  # place in the ledger, stage, number of the closing; the digest follows


class ExpectedUnits:
    """All expected units of a job by id. Pure bookkeeping: the rules stand in `Walk`."""

    def __init__(self, root: JobRoot) -> None:
        self._root = root
        self._open: dict[str, OpenUnit] = {}
        self._closed: dict[str, bytes] = {}
        self._orders = count()
        self.open_by_stage: Counter[Stage.ValueType] = Counter()

    def __contains__(self, unit_id: str) -> bool:
        return unit_id in self._open or unit_id in self._closed

    @property
    def open_count(self) -> int:
        """How many are open."""
        return len(self._open)

    def expect(self, task: UnitTask, *, told_by_root: bool = False) -> None:
        """Opens a unit that is not expected yet; `told_by_root` if it is a crawl unit of the root."""
        stage = task.stage
        self.open_by_stage[stage] += 1
        self._open[task.unit_id] = OpenUnit(
            task.input_digest,
            stage,
            next(self._orders),
            stage == _DOWNLOAD and task.input.download.retry_round == 0,
            None if told_by_root else task.SerializeToString(),
        )

    def close(self, unit_id: str, closing: Closing, sequence: int) -> OpenUnit:
        """Closes an open unit and returns it."""
        unit = self._open.pop(unit_id)
        self.open_by_stage[unit.stage] -= 1
        self._closed[unit_id] = _CLOSED.pack(sequence, unit.stage, _NUMBER_OF[closing]) + unit.digest
        return unit

    def open_unit(self, unit_id: str) -> OpenUnit | None:
        """Returns a unit if it is open."""
        return self._open.get(unit_id)

    def open_ids(self) -> list[str]:
        """Returns the ids of all open units, in the order in which they became expected."""
        return list(self._open)

    def open_in_order(self) -> Iterator[tuple[int, str, Stage.ValueType]]:
        """Yields order, id and stage of the open units, in the order in which they became expected."""
        return ((unit.order, unit_id, unit.stage) for unit_id, unit in self._open.items())

    def is_closed(self, unit_id: str) -> bool:
        """Returns whether a unit was expected and is closed."""
        return unit_id in self._closed

    def task(self, unit_id: str) -> UnitTask | None:
        """Returns the task of an open unit."""
        unit = self._open.get(unit_id)
        if unit is None:
            return None
        return self.told_by_root(unit_id) if unit.task is None else UnitTask.FromString(unit.task)

    def told_by_root(self, unit_id: str) -> UnitTask:
        """Returns the task of a crawl unit of the root, open or closed."""
        return self._root.crawl_task(int(unit_id.rsplit("/c", 1)[1]))

    def tasks(self) -> Iterator[UnitTask]:
        """Yields the tasks of all open units, in the order in which they became expected."""
        for unit_id, unit in self._open.items():
            yield self.told_by_root(unit_id) if unit.task is None else UnitTask.FromString(unit.task)

    def entry(self, unit_id: str) -> Entry | None:
        """Returns what is known of an expected unit."""
        unit = self._open.get(unit_id)
        if unit is not None:
            return Entry(digest=unit.digest, stage=unit.stage)
        packed = self._closed.get(unit_id)
        return None if packed is None else _unpacked(packed)

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Yields all expected units, closed ones first."""
        for unit_id, packed in self._closed.items():
            yield unit_id, _unpacked(packed)
        for unit_id, unit in self._open.items():
            yield unit_id, Entry(digest=unit.digest, stage=unit.stage)


def _unpacked(packed: bytes) -> Entry:
    sequence, stage, number = _CLOSED.unpack_from(packed)
    return Entry(
        digest=packed[_CLOSED.size :],
        stage=Stage.ValueType(stage),
        closing=_CLOSINGS[number],
        sequence=sequence,
    )
