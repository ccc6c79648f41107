"""The walk over the ledger: the one place that says what is true of a job (U3).

A unit in the ledger is a pair of id and input digest. Expected are the root's units, the follow-ups
of every counted `UnitDone`, and what the barriers add. An expected pair is closed by the first in
ledger order of its `UnitDone`, its third `UnitFailed` of different attempts, or the job's `Cancel`.
Everything else is an orphan. Records must be fed in ledger order; the same records always give the
same truth, however the attempts behind them were interleaved.
"""

from __future__ import annotations

import enum
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pairmill.ledger.barriers import Expected, follow_ups
from pairmill.ledger.expected import Closing, Entry, ExpectedUnits
from pairmill.ledger.finalisation import next_phase
from pairmill.ledger.outputs import CountedOutputs
from pairmill.ledger.paths import ancestors
from pairmill.ledger.plans import PlanBarrier
from pairmill.ledger.root import JobRoot, Load
from pairmill.ledger.waves import WaveFlow
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.unit.v1.unit_pb2 import (
    FinalisePhase,
    LedgerRecord,
    Stage,
    UnitDone,
    UnitFailed,
    UnitTask,
)

__all__ = ["MAX_UNIT_FAILURES", "NEVER_DEAD", "Closing", "Entry", "JobState", "Walk"]

MAX_UNIT_FAILURES = 3
NEVER_DEAD = frozenset({Stage.STAGE_PLAN, Stage.STAGE_FINALISE, Stage.STAGE_INDEX})
"""Stages whose units are not closed by failures: the job is blocked instead (U13)."""

_SCORE: Final = Stage.STAGE_SCORE  # enum wrappers look each name up anew


class JobState(enum.Enum):
    """How far the walk has come; the gateway refines it by what it knows besides."""

    CRAWLING = "crawling"
    DRAINING = "draining"
    FINALISING = "finalising"
    FINISHED = "finished"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class _Early:
    """What the ledger said of a pair so far, whether or not it is expected."""

    failed_attempts: dict[str, int] = field(default_factory=dict)  # attempt to place in the ledger
    last_error: str = ""
    closing: tuple[Closing, int, UnitDone | UnitFailed] | None = None


class Walk:
    """The incremental walk of one job. Not thread-safe."""

    def __init__(self, root: JobRoot, load: Load) -> None:
        self.root = root
        self._load = load
        self._units = ExpectedUnits(root)
        self._outputs = CountedOutputs()
        self._plans = PlanBarrier(root, self._units, self._outputs, load)
        self._early: dict[tuple[str, bytes], _Early] = {}
        self._failing: set[tuple[str, bytes]] = set()  # not given up however often they fail (U13)
        self._fresh: dict[str, dict[str, bytes] | None] = {}  # attachments if the gateway hands it out
        self._failed: set[str] = set()
        self._closable: deque[tuple[str, Closing, int, UnitDone | UnitFailed]] = deque()
        self._scored: list[str] = []
        self._phases: dict[FinalisePhase.ValueType, list[str]] = {}
        self._finalising = False
        self._finished = False
        self.cancelled = False
        self.orphans = 0
        self.closings: Counter[tuple[Stage.ValueType, Closing]] = Counter()
        self.tally: Counter[tuple[Stage.ValueType, Outcome.ValueType, Reason.ValueType]] = Counter()
        self.flow = WaveFlow()
        self._expect_root()

    # What it is fed with

    def feed(self, sequence: int, record: LedgerRecord) -> None:
        """Takes the next record of the ledger; `sequence` is its place there.

        Where an object that a record refers to cannot be loaded, the error is raised, but the record
        is taken: `settle` goes on where it stopped, and is to succeed before more is fed.
        """
        match record.WhichOneof("record"):
            case "done":
                self._take_done(sequence, record.done)
            case "failed":
                self._take_failed(sequence, record.failed)
            case "cancel":
                self._take_cancel(sequence)
            case _:
                self.orphans += 1

    def settle(self) -> None:
        """Closes what can be closed until nothing changes; may be repeated after an error of `load`.

        A unit's follow-ups are all open before any of them is closed, so that the set of open units
        is empty only when nothing more can come.
        """
        while True:
            while self._closable or self._plans.is_moving:
                if not self._plans.is_moving:
                    self._close(*self._closable[0])
                elif (plan := self._plans.next_plan()) is not None:
                    self._expect(plan.task, plan.attachments)
            if not self._advance_finalisation():
                return

    def take_expected(self) -> list[Expected]:
        """Returns the units that became expected since the last call and are open.

        The crawl units are not among them: they are expected from the start, and the root tells them.
        """
        fresh, self._fresh = self._fresh, {}
        found = ((self._units.task(unit_id), attachments) for unit_id, attachments in fresh.items())
        return [
            Expected(task=task, attachments=attachments or {}, handed_out=attachments is not None)
            for task, attachments in found
            if task is not None
        ]

    def take_failed(self) -> list[UnitTask]:
        """Returns the units that failed since the last call and are still open: to be tried again."""
        failed, self._failed = self._failed, set()
        tasks = (self._units.task(unit_id) for unit_id in sorted(failed))
        return [task for task in tasks if task is not None]

    # What it says

    @property
    def finished(self) -> bool:
        """Whether the last phase of the finalisation is closed."""
        return self._finished

    @property
    def state(self) -> JobState:
        """How far the job has come."""
        if self.cancelled:
            return JobState.CANCELLED
        if self._finished:
            return JobState.FINISHED
        if self._finalising:
            return JobState.FINALISING
        return JobState.CRAWLING if self._plans.open_count else JobState.DRAINING

    @property
    def drained(self) -> bool:
        """Whether no expected unit is open."""
        return not self._units.open_count

    @property
    def open_count(self) -> int:
        """How many expected units are open."""
        return self._units.open_count

    @property
    def open_by_stage(self) -> Mapping[Stage.ValueType, int]:
        """How many expected units of each stage are open; a stage that has none may be left out."""
        return self._units.open_by_stage

    def open_units(self) -> Iterator[UnitTask]:
        """Yields the tasks of all open units. Costs what parsing them costs."""
        return self._units.tasks()

    def open_ids(self) -> list[str]:
        """Returns the ids of all open units, in the order in which they became expected."""
        return self._units.open_ids()

    def open_in_order(self) -> Iterator[tuple[int, str, Stage.ValueType]]:
        """Yields the open units in the order in which units became expected.

        Each with its place there, which is the same for whoever walks this ledger, whatever has closed
        meanwhile; then id and stage.
        """
        return self._units.open_in_order()

    def open_task(self, unit_id: str) -> UnitTask | None:
        """Returns the task of a unit if it is open."""
        return self._units.task(unit_id)

    def is_open(self, unit_id: str) -> bool:
        """Returns whether a unit is expected and open."""
        return self._units.open_unit(unit_id) is not None

    def closing_of(self, unit_id: str, digest: bytes) -> Closing | None:
        """Returns how a pair was closed, or None if it is open or not expected."""
        entry = self._units.entry(unit_id)
        return entry.closing if entry is not None and entry.digest == digest else None

    def entry(self, unit_id: str) -> Entry | None:
        """Returns what is known of an expected unit."""
        return self._units.entry(unit_id)

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Yields all expected units with what is known of them."""
        return self._units.entries()

    def failures(self, unit_id: str) -> int:
        """Returns how many attempts at an open unit failed."""
        unit = self._units.open_unit(unit_id)
        early = None if unit is None else self._early.get((unit_id, unit.digest))
        return 0 if early is None else len(early.failed_attempts)

    def is_counted(self, sequence: int, record: LedgerRecord) -> bool:
        """Returns whether a record is the one that closed its unit."""
        match record.WhichOneof("record"):
            case "done":
                entry = self._units.entry(record.done.unit_id)
            case "failed":
                entry = self._units.entry(record.failed.unit_id)
            case _:
                return self.cancelled and record.WhichOneof("record") == "cancel"
        return entry is not None and entry.sequence == sequence

    def is_wanted(self, unit_id: str, digest: bytes) -> bool:
        """Returns whether work on a pair can still count (U2a); a stale answer costs time only."""
        if self.cancelled:
            return False
        unit = self._units.open_unit(unit_id)
        if unit is not None:
            return unit.digest == digest
        if self._units.is_closed(unit_id):
            return False
        nearest = next((ancestor for ancestor in ancestors(unit_id) if ancestor in self._units), None)
        return nearest is None or self.is_open(nearest)  # its own record may still be on its way

    def blocked(self, after: int = -1) -> tuple[str, str] | None:
        """Returns (unit, error) of a unit that may not be given up and failed three times (U13).

        Only failures later in the ledger than `after` count: those before were forgiven by a resume.
        """
        found = min(self._blocking(after), default=None)
        return None if found is None else found[1:]

    def blocking(self, after: int = -1) -> frozenset[str]:
        """Returns all units of which `blocked` returns the first; others may still be tried again."""
        return frozenset(unit_id for _, unit_id, _ in self._blocking(after))

    def _blocking(self, after: int) -> Iterator[tuple[int, str, str]]:
        """Yields place, id and last error of the units that block the job."""
        for pair in self._failing:
            unit, early = self._units.open_unit(pair[0]), self._early[pair]
            if unit is None or unit.digest != pair[1] or unit.stage not in NEVER_DEAD:
                continue
            failures = sum(place > after for place in early.failed_attempts.values())
            if failures >= MAX_UNIT_FAILURES:
                yield unit.order, pair[0], early.last_error

    # How it goes

    def _expect_root(self) -> None:
        for wave in range(self.root.waves):
            for task in self.root.crawl_tasks(wave):
                self._plans.expect_crawl(wave)
                self._units.expect(task, told_by_root=True)
                self.flow.expect(task.unit_id)
        for task in self.root.repair_tasks(self._load):
            self._expect(task, {})
        self.settle()

    def _expect(self, task: UnitTask, attachments: dict[str, bytes] | None) -> None:
        """Opens a unit. If the ledger closed it before, that takes effect when things settle."""
        unit_id = task.unit_id
        if unit_id in self._units:
            return
        self._units.expect(task)
        self._fresh[unit_id] = attachments
        self.flow.expect(unit_id)
        early = self._early.get((unit_id, task.input_digest))
        if early is not None and early.closing is not None:
            self._closable.append((unit_id, *early.closing))

    def _take_done(self, sequence: int, done: UnitDone) -> None:
        self._take_closing(done.unit_id, done.input_digest, (Closing.DONE, sequence, done))

    def _take_failed(self, sequence: int, failed: UnitFailed) -> None:
        pair = (failed.unit_id, failed.input_digest)
        if self._is_orphan(*pair):
            self.orphans += 1
            return
        early = self._early.setdefault(pair, _Early())
        early.failed_attempts.setdefault(failed.attempt, sequence)
        early.last_error = f"{failed.error_class}: {failed.error}"
        if failed.stage in NEVER_DEAD or len(early.failed_attempts) < MAX_UNIT_FAILURES:
            self._failing.add(pair)
            self._failed.add(failed.unit_id)
            return
        self._take_closing(*pair, (Closing.FAILED, sequence, failed))

    def _is_orphan(self, unit_id: str, digest: bytes) -> bool:
        """Whether a record of this pair comes too late, or is of another input than the expected one."""
        unit = self._units.open_unit(unit_id)
        return self._units.is_closed(unit_id) if unit is None else unit.digest != digest

    def _take_closing(
        self, unit_id: str, digest: bytes, closing: tuple[Closing, int, UnitDone | UnitFailed]
    ) -> None:
        if self._is_orphan(unit_id, digest):
            self.orphans += 1
            return
        if self.is_open(unit_id):
            self._closable.append((unit_id, *closing))
            self.settle()
            return
        early = self._early.setdefault((unit_id, digest), _Early())
        if early.closing is None:
            early.closing = closing

    def _take_cancel(self, sequence: int) -> None:
        if self._finalising or self.cancelled:
            return
        self.cancelled = True
        for unit_id in self._units.open_ids():
            unit = self._units.close(unit_id, Closing.CANCELLED, sequence)
            self.closings[unit.stage, Closing.CANCELLED] += 1
        self._fresh.clear()

    def _close(self, unit_id: str, closing: Closing, sequence: int, record: UnitDone | UnitFailed) -> None:
        following = follow_ups(record, self._load) if isinstance(record, UnitDone) else []
        self._closable.popleft()  # nothing has changed so far, and nothing below raises
        unit = self._units.close(unit_id, closing, sequence)
        self._fresh.pop(unit_id, None)
        if self._early.pop((unit_id, unit.digest), None) is not None:
            self._failing.discard((unit_id, unit.digest))
        self.closings[unit.stage, closing] += 1
        if isinstance(record, UnitDone):
            self._count(unit_id, unit.stage, record)
            for follow_up in following:
                self._expect(follow_up, None)
        self.flow.take(unit_id, record, is_first_round=unit.is_first_round)
        self._plans.closed(unit_id, unit.stage)

    def _count(self, unit_id: str, stage: Stage.ValueType, record: UnitDone) -> None:
        self._outputs.keep(unit_id, stage, record)
        if stage == _SCORE:
            self._scored.append(unit_id)
        for count in record.counts:
            self.tally[stage, count.outcome, count.reason] += count.rows

    def _advance_finalisation(self) -> bool:
        """Opens the next phase if all else is closed; returns whether anything changed."""
        if self._units.open_count or self._finished or self.cancelled or not self._plans.are_all_expected():
            return False
        self._finalising = True
        phase = next_phase(
            self.root.spec,
            self.root.spec_ref,
            self._outputs.of(sorted(self._scored)),
            {phase: list(self._outputs.of(units)) for phase, units in self._phases.items()},
            self._load,
        )
        if phase is None:
            self._finished = True
            return True
        self._phases[phase.phase] = [task.unit_id for task in phase.tasks]
        for number, task in enumerate(phase.tasks):
            self._expect(task, dict(phase.attachments) if number == 0 else {})
        return True
