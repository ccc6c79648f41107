"""The walk as its definition has it, word for word and slowly: what the real one is compared with (U3).

Everything is derived from the whole ledger, by looking at all of it until nothing changes. Nothing is
kept but the records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pairmill.ledger.barriers import candidate_list, follow_ups, outputs_of_role, plan_task
from pairmill.ledger.finalisation import next_phase
from pairmill.ledger.root import JobRoot, Load
from pairmill.ledger.walk import MAX_UNIT_FAILURES, NEVER_DEAD
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.unit.v1.unit_pb2 import (
    FinalisePhase,
    LedgerRecord,
    Stage,
    UnitDone,
    UnitFailed,
    UnitTask,
)


@dataclass(frozen=True, slots=True)
class Closed:
    """How a unit was closed."""

    kind: str  # done, failed, cancel
    sequence: int
    record: UnitDone | UnitFailed | None


@dataclass(slots=True)
class Truth:
    """What is true after a ledger."""

    expected: dict[str, UnitTask] = field(default_factory=dict)
    closed: dict[str, Closed] = field(default_factory=dict)
    phases: dict[FinalisePhase.ValueType, list[str]] = field(default_factory=dict)
    is_finalising: bool = False
    is_finished: bool = False
    is_cancelled: bool = False

    @property
    def open(self) -> dict[str, UnitTask]:
        """Expected units that are open."""
        return {name: task for name, task in self.expected.items() if name not in self.closed}

    def done(self, unit_id: str) -> UnitDone | None:
        """Returns the record that counts for a unit."""
        closed = self.closed.get(unit_id)
        return closed.record if closed is not None and isinstance(closed.record, UnitDone) else None

    def tally(self) -> Counter[tuple[Stage.ValueType, Outcome.ValueType, Reason.ValueType]]:
        """Returns rows by stage, outcome and reason."""
        rows: Counter[tuple[Stage.ValueType, Outcome.ValueType, Reason.ValueType]] = Counter()
        for name, task in self.expected.items():
            done = self.done(name)
            for count in done.counts if done is not None else ():
                rows[task.stage, count.outcome, count.reason] += count.rows
        return rows


def truth_of(root: JobRoot, ledger: Sequence[tuple[int, LedgerRecord]], load: Load) -> Truth:
    """Returns what is true after (place, record) pairs."""
    for length, (sequence, record) in enumerate(ledger):
        if record.WhichOneof("record") == "cancel":
            truth = _settled(root, _facts(ledger[:length]), load)
            if not truth.is_finalising:
                truth.closed |= {name: Closed("cancel", sequence, None) for name in truth.open}
                truth.is_cancelled = True
                return truth
    return _settled(root, _facts(ledger), load)


def stuck_units(truth: Truth, ledger: Sequence[tuple[int, LedgerRecord]]) -> set[str]:
    """Returns the open units that may not be given up and failed three times (U13)."""
    attempts: dict[tuple[str, bytes], set[str]] = {}
    for _, record in ledger:
        if record.WhichOneof("record") == "failed":
            pair = (record.failed.unit_id, record.failed.input_digest)
            attempts.setdefault(pair, set()).add(record.failed.attempt)
    return {
        name
        for name, task in truth.open.items()
        if task.stage in NEVER_DEAD and len(attempts.get((name, task.input_digest), ())) >= MAX_UNIT_FAILURES
    }


def _facts(ledger: Sequence[tuple[int, LedgerRecord]]) -> list[tuple[str, bytes, Closed]]:
    """Returns what would close its pair, in ledger order: each `UnitDone`, and each third failure."""
    attempts: dict[tuple[str, bytes], set[str]] = {}
    facts = []
    for sequence, record in ledger:
        if record.WhichOneof("record") == "done":
            done = record.done
            facts.append((done.unit_id, done.input_digest, Closed("done", sequence, done)))
        elif record.WhichOneof("record") == "failed":
            failed = record.failed
            seen = attempts.setdefault((failed.unit_id, failed.input_digest), set())
            seen.add(failed.attempt)
            if len(seen) >= MAX_UNIT_FAILURES and failed.stage not in NEVER_DEAD:
                facts.append((failed.unit_id, failed.input_digest, Closed("failed", sequence, failed)))
    return facts


def _settled(root: JobRoot, facts: Sequence[tuple[str, bytes, Closed]], load: Load) -> Truth:
    """Returns the smallest truth in which nothing is missing."""
    truth, size = Truth(), -1
    while size != (size := len(truth.expected) + len(truth.closed) + truth.is_finished):
        for task in (*_expected_without_phases(root, truth, load), *_expected_by_phases(root, truth, load)):
            truth.expected.setdefault(task.unit_id, task)
        for unit_id, digest, closed in facts:
            if unit_id in truth.open and truth.expected[unit_id].input_digest == digest:
                truth.closed[unit_id] = closed
    return truth


def _expected_without_phases(root: JobRoot, truth: Truth, load: Load) -> Iterator[UnitTask]:
    for wave in range(root.waves):
        yield from root.crawl_tasks(wave)
    yield from root.repair_tasks(load)
    for name in list(truth.closed):
        done = truth.done(name)
        yield from follow_ups(done, load) if done is not None else ()
    for wave in range(root.waves):
        for index in range(root.spec.plan.ranges):
            yield from _plan(root, truth, wave, index, load)


def _plan(root: JobRoot, truth: Truth, wave: int, index: int, load: Load) -> Iterator[UnitTask]:
    crawled = [task.unit_id for task in root.crawl_tasks(wave)]
    before = f"{root.spec.job_id}/w{wave - 1:04d}/r{index:04d}"
    if not truth.closed.keys() >= set(crawled) or (wave and before not in truth.closed):
        return
    records = [done for done in map(truth.done, crawled) if done is not None]
    previous = truth.done(before)
    seen = None if previous is None else outputs_of_role(previous, "seen", load)
    yield plan_task(root, wave, index, candidate_list(root, records, load), seen).task


def _expected_by_phases(root: JobRoot, truth: Truth, load: Load) -> Iterator[UnitTask]:
    missing = [
        index
        for index in range(root.spec.plan.ranges if root.waves else 0)
        if f"{root.spec.job_id}/w{root.waves - 1:04d}/r{index:04d}" not in truth.expected
    ]
    if truth.open or missing or not truth.expected or _has_unseen_follow_ups(truth, load):
        return
    truth.is_finalising = True
    scored = sorted(name for name, task in truth.expected.items() if task.stage == Stage.STAGE_SCORE)
    phases = {phase: _records(truth, names) for phase, names in truth.phases.items()}
    plan = next_phase(root.spec, root.spec_ref, _records(truth, scored), phases, load)
    if plan is None:
        truth.is_finished = True
        return
    truth.phases[plan.phase] = [task.unit_id for task in plan.tasks]
    yield from plan.tasks


def _has_unseen_follow_ups(truth: Truth, load: Load) -> bool:
    """Whether a counted unit has follow-ups that this look at the ledger has not come to yet."""
    records = [done for done in map(truth.done, truth.closed) if done is not None]
    return any(task.unit_id not in truth.expected for done in records for task in follow_ups(done, load))


def _records(truth: Truth, names: list[str]) -> list[UnitDone]:
    return [done for done in map(truth.done, names) if done is not None]
