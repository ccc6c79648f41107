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
from collections.abc import Iterator
from dataclasses import dataclass, field

from pairmill.ledger.barriers import Expected, follow_ups, plan_task
from pairmill.ledger.finalisation import next_phase
from pairmill.ledger.paths import ancestors, wave_number
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

MAX_UNIT_FAILURES = 3
NEVER_DEAD = frozenset({Stage.STAGE_PLAN, Stage.STAGE_FINALISE, Stage.STAGE_INDEX})
"""Stages whose units are not closed by failures: the job is blocked instead (U13)."""


class Closing(enum.Enum):
    """How an expected unit was closed."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancel"


class JobState(enum.Enum):
    """How far the walk has come; the gateway refines it by what it knows besides."""

    CRAWLING = "crawling"
    DRAINING = "draining"
    FINALISING = "finalising"
    FINISHED = "finished"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class Entry:
    """An expected unit. Its task is kept while it is open, its record where a barrier needs it."""

    digest: bytes
    stage: Stage.ValueType
    task: UnitTask | None
    closing: Closing | None = None
    sequence: int = -1
    attempt: str = ""
    rows: int = 0
    record: UnitDone | None = None


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
        self._entries: dict[str, Entry] = {}
        self._open: dict[str, Entry] = {}
        self._early: dict[tuple[str, bytes], _Early] = {}
        self._fresh: list[Expected] = []
        self._failed: set[str] = set()
        self._closable: deque[tuple[str, Closing, int, UnitDone | UnitFailed]] = deque()
        self._crossings: deque[tuple[int, int]] = deque()  # (wave, range) whose plan may be expected now
        self._crawl_open: Counter[int] = Counter()
        self._plan_open: Counter[int] = Counter()
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
            while self._closable or self._crossings:
                if self._crossings:
                    self._expect_plan(*self._crossings[0])
                    self._crossings.popleft()
                else:
                    self._close(*self._closable[0])
            if not self._advance_finalisation():
                return

    def take_expected(self) -> list[Expected]:
        """Returns the units that became expected since the last call."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def take_failed(self) -> list[UnitTask]:
        """Returns the units that failed since the last call and are still open: to be tried again."""
        failed, self._failed = self._failed, set()
        tasks = (self._open[unit_id].task for unit_id in sorted(failed) if unit_id in self._open)
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
        crawling = any(self._crawl_open.values()) or any(self._plan_open.values())
        return JobState.CRAWLING if crawling else JobState.DRAINING

    @property
    def drained(self) -> bool:
        """Whether no expected unit is open."""
        return not self._open

    @property
    def open_count(self) -> int:
        """How many expected units are open."""
        return len(self._open)

    def open_units(self) -> Iterator[UnitTask]:
        """Yields the tasks of all open units."""
        for entry in self._open.values():
            if entry.task is not None:
                yield entry.task

    def closing_of(self, unit_id: str, digest: bytes) -> Closing | None:
        """Returns how a pair was closed, or None if it is open or not expected."""
        entry = self._entries.get(unit_id)
        return entry.closing if entry is not None and entry.digest == digest else None

    def entry(self, unit_id: str) -> Entry | None:
        """Returns what is known of an expected unit."""
        return self._entries.get(unit_id)

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Yields all expected units with what is known of them."""
        yield from self._entries.items()

    def is_counted(self, sequence: int, record: LedgerRecord) -> bool:
        """Returns whether a record is the one that closed its unit."""
        match record.WhichOneof("record"):
            case "done":
                entry = self._entries.get(record.done.unit_id)
            case "failed":
                entry = self._entries.get(record.failed.unit_id)
            case _:
                return self.cancelled and record.WhichOneof("record") == "cancel"
        return entry is not None and entry.sequence == sequence

    def is_wanted(self, unit_id: str, digest: bytes) -> bool:
        """Returns whether work on a pair can still count (U2a); a stale answer costs time only."""
        if self.cancelled:
            return False
        entry = self._entries.get(unit_id)
        if entry is not None:
            return entry.digest == digest and entry.closing is None
        known = (self._entries.get(ancestor) for ancestor in ancestors(unit_id))
        nearest = next((ancestor for ancestor in known if ancestor is not None), None)
        return nearest is None or nearest.closing is None  # its own record may still be on its way

    def blocked(self, after: int = -1) -> tuple[str, str] | None:
        """Returns (unit, error) of a unit that may not be given up and failed three times (U13).

        Only failures later in the ledger than `after` count: those before were forgiven by a resume.
        """
        for unit_id, entry in self._open.items():
            early = self._early.get((unit_id, entry.digest))
            if early is None or entry.stage not in NEVER_DEAD:
                continue
            failures = sum(place > after for place in early.failed_attempts.values())
            if failures >= MAX_UNIT_FAILURES:
                return unit_id, early.last_error
        return None

    # How it goes

    def _expect_root(self) -> None:
        for wave in range(self.root.waves):
            for task in self.root.crawl_tasks(wave):
                self._crawl_open[wave] += 1
                self._expect(Expected(task=task, handed_out=True))
        for task in self.root.repair_tasks(self._load):
            self._expect(Expected(task=task, handed_out=True))
        self.settle()

    def _expect(self, expected: Expected) -> None:
        """Opens a unit. If the ledger closed it before, that takes effect when things settle."""
        task = expected.task
        if task.unit_id in self._entries:
            return
        entry = Entry(digest=task.input_digest, stage=task.stage, task=task, rows=task.rows)
        self._entries[task.unit_id] = entry
        self._open[task.unit_id] = entry
        self._fresh.append(expected)
        self.flow.expect(task.unit_id)
        early = self._early.get((task.unit_id, task.input_digest))
        if early is not None and early.closing is not None:
            self._closable.append((task.unit_id, *early.closing))

    def _take_done(self, sequence: int, done: UnitDone) -> None:
        self._take_closing(done.unit_id, done.input_digest, (Closing.DONE, sequence, done))

    def _take_failed(self, sequence: int, failed: UnitFailed) -> None:
        entry = self._entries.get(failed.unit_id)
        if entry is not None and (entry.digest != failed.input_digest or entry.closing is not None):
            self.orphans += 1
            return
        early = self._early.setdefault((failed.unit_id, failed.input_digest), _Early())
        early.failed_attempts.setdefault(failed.attempt, sequence)
        early.last_error = f"{failed.error_class}: {failed.error}"
        if failed.stage in NEVER_DEAD or len(early.failed_attempts) < MAX_UNIT_FAILURES:
            self._failed.add(failed.unit_id)
            return
        self._take_closing(failed.unit_id, failed.input_digest, (Closing.FAILED, sequence, failed))

    def _take_closing(
        self, unit_id: str, digest: bytes, closing: tuple[Closing, int, UnitDone | UnitFailed]
    ) -> None:
        entry = self._entries.get(unit_id)
        if entry is not None and (entry.digest != digest or entry.closing is not None):
            self.orphans += 1
            return
        if entry is not None:
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
        for entry in self._open.values():
            entry.closing, entry.sequence = Closing.CANCELLED, sequence
            self.closings[entry.stage, Closing.CANCELLED] += 1
        self._open.clear()

    def _close(self, unit_id: str, closing: Closing, sequence: int, record: UnitDone | UnitFailed) -> None:
        following = follow_ups(record, self._load) if isinstance(record, UnitDone) else []
        self._closable.popleft()  # nothing has changed so far, and nothing below raises
        entry = self._open.pop(unit_id)
        task, entry.task = entry.task, None
        entry.closing, entry.sequence, entry.attempt = closing, sequence, record.attempt
        self._early.pop((unit_id, entry.digest), None)
        self.closings[entry.stage, closing] += 1
        if isinstance(record, UnitDone):
            if entry.stage in _KEPT_FOR_BARRIERS:
                entry.record = record
            for count in record.counts:
                self.tally[entry.stage, count.outcome, count.reason] += count.rows
            for follow_up in following:
                self._expect(Expected(task=follow_up, handed_out=False))
        self.flow.take(unit_id, task, record)
        self._cross_barriers(unit_id, entry)

    def _cross_barriers(self, unit_id: str, entry: Entry) -> None:
        if entry.stage == Stage.STAGE_CRAWL:
            wave = wave_number(unit_id)
            self._crawl_open[wave] -= 1
            if not self._crawl_open[wave]:
                self._expect_plans(wave)
        elif entry.stage == Stage.STAGE_PLAN:
            wave, range_index = wave_number(unit_id), int(unit_id.rsplit("/r", 1)[1])
            self._plan_open[wave] -= 1
            self._crossings.append((wave + 1, range_index))

    def _expect_plans(self, wave: int) -> None:
        self._crossings.extend((wave, index) for index in range(self.root.spec.plan.ranges))

    def _expect_plan(self, wave: int, range_index: int) -> None:
        if wave >= self.root.waves or self._crawl_open[wave]:
            return
        previous = None
        if wave > 0:
            entry = self._entries.get(self._plan_id(wave - 1, range_index))
            if entry is None or entry.closing is None:
                return
            previous = entry.record
        if self._plan_id(wave, range_index) in self._entries:
            return
        crawled = (self._entries[task.unit_id].record for task in self.root.crawl_tasks(wave))
        expected = plan_task(
            self.root,
            wave,
            range_index,
            [record for record in crawled if record is not None],
            previous,
            self._load,
        )
        self._plan_open[wave] += 1
        self._expect(expected)

    def _plan_id(self, wave: int, range_index: int) -> str:
        return f"{self.root.spec.job_id}/w{wave:04d}/r{range_index:04d}"

    def _advance_finalisation(self) -> bool:
        """Opens the next phase if all else is closed; returns whether anything changed."""
        if self._open or self._finished or self.cancelled or not self._plans_expected():
            return False
        self._finalising = True
        phase = next_phase(
            self.root.spec,
            self.root.spec_ref,
            self._records_of_stage(Stage.STAGE_SCORE),
            {phase: self._records(units) for phase, units in self._phases.items()},
            self._load,
        )
        if phase is None:
            self._finished = True
            return True
        self._phases[phase.phase] = [task.unit_id for task in phase.tasks]
        for number, task in enumerate(phase.tasks):
            attachments = dict(phase.attachments) if number == 0 else {}
            self._expect(Expected(task=task, attachments=attachments, handed_out=True))
        return True

    def _plans_expected(self) -> bool:
        """Whether every plan unit of the job has been expected, so that an empty set of open units
        means that nothing more can come."""
        last = self.root.waves - 1
        return last < 0 or all(
            self._plan_id(last, index) in self._entries for index in range(self.root.spec.plan.ranges)
        )

    def _records_of_stage(self, stage: Stage.ValueType) -> list[UnitDone]:
        return self._records(
            sorted(unit_id for unit_id, entry in self._entries.items() if entry.stage == stage)
        )

    def _records(self, units: list[str]) -> list[UnitDone]:
        records = (self._entries[unit_id].record for unit_id in units)
        return [record for record in records if record is not None]


_KEPT_FOR_BARRIERS = frozenset({Stage.STAGE_CRAWL, Stage.STAGE_PLAN, Stage.STAGE_SCORE, Stage.STAGE_FINALISE})
