"""The funnel: how many rows each stage was given, and what became of them, by reason.

Stages are `crawl`, `plan`, `download`, `embed`, `score`, `finalise` (the phase that writes `data/`)
and, last, `dataset`: how the candidates ended. For each of them in = sum of outcomes. Rows that a
unit handed on to a follow-up of its own stage are counted once, where they ended, so that the funnel
does not depend on how often hosts had to be waited for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pairmill.dataset.ledger_file import LedgerRow
from pairmill.dataset.manifest import FunnelRow
from pairmill.ledger.walk import MAX_UNIT_FAILURES
from pairmill_protos.unit.v1.unit_pb2 import FinalisePhase

IN: Final = "in"
PASSED: Final = "passed"
HANDED_ON: Final = "handed_on"
DROPPED: Final = "dropped"
KEPT: Final = "kept"
FILTERED: Final = "filtered"
FAILED: Final = "failed"
DEAD_LETTER: Final = "dead_letter"
CANCELLED: Final = "cancelled"

DATASET: Final = "dataset"
STAGES: Final = ("crawl", "plan", "download", "embed", "score", "finalise", DATASET)
OUTCOMES: Final = (IN, PASSED, KEPT, FILTERED, FAILED, DEAD_LETTER, CANCELLED, DROPPED)

UNIT_FAILED: Final = "unit_failed"
_CANDIDATE_STAGES: Final = ("download", "embed", "score")

Counts: TypeAlias = "Counter[tuple[str, str]]"
"""Rows by (outcome, reason)."""


@dataclass(slots=True)
class LedgerTotals:
    """What the counted records of one job's ledger add up to."""

    stages: defaultdict[str, Counts] = field(default_factory=lambda: defaultdict(Counter))
    handed_on: Counter[str] = field(default_factory=Counter)
    cancelled: bool = False

    def passed(self, stage: str) -> int:
        """Returns the rows that a stage let pass."""
        return sum(rows for (outcome, _), rows in self.stages[stage].items() if outcome == PASSED)


def closing_rows(rows: Iterable[LedgerRow]) -> Iterator[LedgerRow]:
    """Yields the rows that closed their unit: of a unit that was given up, its third failure (U3)."""
    attempts: defaultdict[tuple[str, bytes], set[str]] = defaultdict(set)
    for row in rows:
        if row.kind == "failed":
            seen = attempts[row.unit_id, row.input_digest]
            seen.add(row.attempt)
            if len(seen) < MAX_UNIT_FAILURES:
                continue
            del attempts[row.unit_id, row.input_digest]
        yield row


def add_up(rows: Iterable[LedgerRow]) -> LedgerTotals:
    """Returns the totals of a ledger file's rows."""
    totals = LedgerTotals()
    for row in closing_rows(rows):
        stage = funnel_stage(row)
        match row.kind:
            case "cancel":
                totals.cancelled = True
            case "failed" if stage:
                totals.stages[stage][DEAD_LETTER, UNIT_FAILED] += row.rows_in
            case "done" if stage:
                for count in row.counts:
                    if count.outcome == HANDED_ON:
                        totals.handed_on[stage] += count.rows
                    else:
                        totals.stages[stage][count.outcome, count.reason] += count.rows
    return totals


def funnel_stage(row: LedgerRow) -> str:
    """Returns the stage of the funnel that a unit counts for; empty for the other phases' units."""
    if row.stage != "finalise":
        return row.stage
    written = f"/f{FinalisePhase.FINALISE_PHASE_WRITE_DATA:02d}/"
    return row.stage if written in row.unit_id else ""


def final_counts(totals: LedgerTotals) -> Counts:
    """Returns how the candidates of a job without a base ended.

    Failed are those that the download or the finalisation says so; what nothing else accounts for was
    open when the job was cancelled.
    """
    final: Counts = Counter()
    for (outcome, reason), rows in totals.stages["download"].items():
        if outcome == FAILED:
            final[outcome, reason] += rows
    for stage in _CANDIDATE_STAGES:
        final[DEAD_LETTER, UNIT_FAILED] += totals.stages[stage][DEAD_LETTER, UNIT_FAILED]
    final.update(totals.stages["finalise"])
    if totals.cancelled:
        final[CANCELLED, CANCELLED] += totals.passed("plan") - sum(final.values())
    return +final


def funnel_rows(stages: Mapping[str, Counts], final: Counts) -> tuple[FunnelRow, ...]:
    """Returns the funnel, ordered by stage, outcome and reason; each stage starts with its `in`."""
    by_stage = {**stages, DATASET: final}
    rows: list[FunnelRow] = []
    for stage in sorted(by_stage, key=_stage_order):
        counts = +by_stage[stage]
        if counts or stage == DATASET:
            rows.append(FunnelRow(stage=stage, outcome=IN, reason="", count=sum(counts.values())))
        for (outcome, reason), count in sorted(counts.items(), key=lambda item: _count_order(*item[0])):
            rows.append(FunnelRow(stage=stage, outcome=outcome, reason=reason, count=count))
    return tuple(rows)


def funnel_of(rows: Iterable[LedgerRow], final: Counts | None = None) -> tuple[FunnelRow, ...]:
    """Returns the funnel of a job's ledger rows.

    `final` says how the candidates ended where the job starts from a base version, whose ledger is
    another (`pairmill.dataset.recount`).
    """
    totals = add_up(rows)
    return funnel_rows(totals.stages, final if final is not None else final_counts(totals))


def stage_counts(funnel: Iterable[FunnelRow], stage: str) -> Counts:
    """Returns the rows of one stage of a funnel by (outcome, reason), `in` left out."""
    return Counter(
        {(row.outcome, row.reason): row.count for row in funnel if row.stage == stage and row.outcome != IN}
    )


def tallies_by_wave(rows: Iterable[LedgerRow]) -> Mapping[tuple[str, str], Counts]:
    """Returns rows by (wave, stage): what became of the records and links of each wave."""
    tallies: defaultdict[tuple[str, str], Counts] = defaultdict(Counter)
    for row in closing_rows(rows):
        wave = wave_of(row.unit_id)
        if wave and row.kind == "done":
            tallies[wave, row.stage].update(_tally(row))
    return tallies


def tallies_by_wat(rows: Iterable[LedgerRow]) -> Iterator[tuple[str, Counts]]:
    """Yields (unit id, rows by outcome and reason) of each crawl unit, one per WAT, in ledger order."""
    for row in closing_rows(rows):
        if row.stage == "crawl" and row.kind == "done":
            yield row.unit_id, _tally(row)


def wave_of(unit_id: str) -> str:
    """Returns the wave of a unit, such as `w0003`; empty for units that belong to none."""
    part = unit_id.split("/", 2)[1] if "/" in unit_id else ""
    return part if part.startswith("w") else ""


def _tally(row: LedgerRow) -> Counts:
    counts: Counts = Counter()
    for count in row.counts:
        counts[count.outcome, count.reason] += count.rows
    return counts


def _stage_order(stage: str) -> tuple[int, str]:
    known = STAGES.index(stage) if stage in STAGES else len(STAGES) - 2
    return (known, stage)


def _count_order(outcome: str, reason: str) -> tuple[int, str, str]:
    known = OUTCOMES.index(outcome) if outcome in OUTCOMES else len(OUTCOMES)
    return (known, outcome, reason)
