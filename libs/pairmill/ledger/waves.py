"""How far each wave has come: what the flow control of U6 needs to know."""

from __future__ import annotations

from collections import Counter
from typing import Final

from pairmill_protos.common.v1.outcome_pb2 import Outcome
from pairmill_protos.unit.v1.unit_pb2 import Stage, UnitDone, UnitFailed

OPEN_SHARE = 0.95
"""A wave is open until this share of its candidates have had their first round."""

_CRAWL: Final = Stage.STAGE_CRAWL  # enum wrappers look each name up anew
_PLAN: Final = Stage.STAGE_PLAN
_DOWNLOAD: Final = Stage.STAGE_DOWNLOAD


class WaveFlow:
    """Counts, per wave, crawl and plan units closed, candidates planned, and first rounds ended."""

    def __init__(self) -> None:
        self.crawled: Counter[str] = Counter()
        self.planned_units: Counter[str] = Counter()
        self.candidates: Counter[str] = Counter()
        self.first_rounds: Counter[str] = Counter()
        self.open_units: Counter[str] = Counter()

    def expect(self, unit_id: str) -> None:
        """Takes a unit that became expected."""
        self.open_units[_wave(unit_id)] += 1

    def take(self, unit_id: str, record: UnitDone | UnitFailed, *, is_first_round: bool) -> None:
        """Takes a unit that was closed; `is_first_round` if its rows were tried for the first time."""
        wave = _wave(unit_id)
        self.open_units[wave] -= 1
        if record.stage == _CRAWL:
            self.crawled[wave] += 1
        elif record.stage == _PLAN and isinstance(record, UnitDone):
            self.planned_units[wave] += 1
            self.candidates[wave] += _rows(record, Outcome.OUTCOME_PASSED)
        elif record.stage == _DOWNLOAD and is_first_round:
            self.first_rounds[wave] += _first_round_rows(record)

    def is_unfinished(self, wave: int, ranges: int) -> bool:
        """Returns whether a wave that was handed out still has anything open."""
        name = f"w{wave:04d}"
        return self.planned_units[name] < ranges or self.open_units[name] > 0

    def is_open(self, wave: int, ranges: int) -> bool:
        """Returns whether a wave that was handed out still keeps the downloaders busy."""
        name = f"w{wave:04d}"
        if self.planned_units[name] < ranges:
            return True
        return self.first_rounds[name] < OPEN_SHARE * self.candidates[name]


def _wave(unit_id: str) -> str:
    return unit_id.split("/", 2)[1]


def _first_round_rows(record: UnitDone | UnitFailed) -> int:
    if isinstance(record, UnitFailed):
        return record.rows
    put_off = sum(
        task.rows
        for task in record.follow_ups.inline
        if task.stage == _DOWNLOAD and not task.input.download.waits
    )
    return record.rows_in - put_off


def _rows(record: UnitDone, outcome: Outcome.ValueType) -> int:
    return sum(count.rows for count in record.counts if count.outcome == outcome)
