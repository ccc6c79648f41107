"""The walk that is kept up to date says what the definition says, whatever stands in the ledger (U3)."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill.ledger.walk import NEVER_DEAD, JobState, Walk
from pairmill_protos.unit.v1.unit_pb2 import Cancel, LedgerRecord, Stage, UnitTask
from tests.fakes.ledger import ToyJob, toy_root
from tests.fakes.reference_walk import Truth, stuck_units, truth_of


@dataclass(slots=True)
class Scribe:
    """Writes a ledger with everything that may stand in one, in an order that stages may cause."""

    job: ToyJob
    draw: random.Random
    records: list[LedgerRecord] = field(default_factory=list)
    handed_out: list[UnitTask] = field(default_factory=list)  # by counted records and by others

    def write(self, length: int, cancel_after: int) -> None:
        walk = Walk(self.job.root, self.job.load)
        while len(self.records) < length and walk.open_count and not walk.cancelled:
            record = self._next(walk)
            if len(self.records) == cancel_after:
                record = LedgerRecord(cancel=Cancel(job_id="job"))
            walk.feed(len(self.records), record)
            self.records.append(record)
            self.handed_out.extend(record.done.follow_ups.inline)
        self._displace()

    def _next(self, walk: Walk) -> LedgerRecord:
        kind = self.draw.random()
        if kind < 0.15 and self.handed_out:  # late answers, and answers to what no counted unit asked for
            return self._answer(self.draw.choice(self.handed_out))
        task = self.draw.choice(list(walk.open_units()))
        if kind < 0.2:
            other = UnitTask()
            other.CopyFrom(task)
            other.input_digest = b"of another input"
            return self._answer(other)
        return self._answer(task)

    def _answer(self, task: UnitTask) -> LedgerRecord:
        if self.draw.random() < (0.5 if task.stage in NEVER_DEAD else 0.25):
            return self.job.failed(task)
        return self.job.done(task)

    def _displace(self) -> None:
        """Lets records stand before those of their parents."""
        for place in range(1, len(self.records)):
            if self.draw.random() < 0.2:
                other = max(0, place - self.draw.randrange(1, 12))
                self.records[other], self.records[place] = self.records[place], self.records[other]


def written(seed: int, length: int, cancel_after: int) -> Scribe:
    draw = random.Random(seed)
    root = toy_root(draw.randint(1, 4), draw.randint(1, 2), draw.randint(1, 2))
    root.spec.finalise.choose_by_cluster = root.spec.finalise.choose_by_url = draw.random() < 0.5
    scribe = Scribe(ToyJob(root, draw), draw)
    scribe.write(length, cancel_after)
    return scribe


def facts(walk: Walk) -> dict[str, object]:
    return {
        name: (entry.digest, entry.stage, entry.closing and entry.closing.value, entry.sequence)
        for name, entry in walk.entries()
    }


def wanted(truth: Truth) -> dict[str, object]:
    return {
        name: (
            task.input_digest,
            task.stage,
            truth.closed[name].kind if name in truth.closed else None,
            truth.closed[name].sequence if name in truth.closed else -1,
        )
        for name, task in truth.expected.items()
    }


def state(truth: Truth) -> JobState:
    early = {Stage.STAGE_CRAWL, Stage.STAGE_PLAN}
    if truth.is_cancelled:
        return JobState.CANCELLED
    if truth.is_finished:
        return JobState.FINISHED
    if truth.is_finalising:
        return JobState.FINALISING
    open_early = any(task.stage in early for task in truth.open.values())
    return JobState.CRAWLING if open_early else JobState.DRAINING


def assert_agree(walk: Walk, truth: Truth, ledger: list[tuple[int, LedgerRecord]]) -> None:
    """Compares everything that anybody asks the walk for."""
    assert facts(walk) == wanted(truth)
    assert {task.unit_id: task for task in walk.open_units()} == truth.open
    assert walk.open_ids() == [task.unit_id for task in walk.open_units()]
    assert +Counter(walk.open_by_stage) == Counter(task.stage for task in truth.open.values())
    assert (walk.state, walk.finished, walk.cancelled) == (
        state(truth),
        truth.is_finished,
        truth.is_cancelled,
    )
    assert +Counter(walk.tally) == truth.tally()
    kinds = Counter((truth.expected[name].stage, closed.kind) for name, closed in truth.closed.items())
    assert {(stage, how.value): units for (stage, how), units in walk.closings.items()} == kinds
    stuck = stuck_units(truth, ledger)
    blocked = walk.blocked()
    assert blocked[0] in stuck if blocked is not None else not stuck
    assert walk.blocking() == stuck
    for name, task in truth.expected.items():
        is_open = name in truth.open
        assert walk.is_open(name) == is_open
        assert walk.is_wanted(name, task.input_digest) == is_open
        assert not walk.is_wanted(name, b"of another input")
        assert walk.open_task(name) == truth.open.get(name)
    counted = {closed.sequence for closed in truth.closed.values()}
    for sequence, record in ledger:
        assert walk.is_counted(sequence, record) == (sequence in counted)


@given(
    seed=st.integers(0, 2**32),
    length=st.integers(0, 250),
    cancel_after=st.integers(0, 200),
    cut=st.floats(0, 1),
)
@settings(max_examples=80, deadline=None)
def test_u3_the_walk_says_what_the_definition_says(
    seed: int, length: int, cancel_after: int, cut: float
) -> None:
    scribe = written(seed, length, cancel_after)
    ledger = list(enumerate(scribe.records))
    walk, early = Walk(scribe.job.root, scribe.job.load), round(cut * len(ledger))
    for sequence, record in ledger[:early]:
        walk.feed(sequence, record)
    assert_agree(walk, truth_of(scribe.job.root, ledger[:early], scribe.job.load), ledger[:early])
    for sequence, record in ledger[early:]:
        walk.feed(sequence, record)
    assert_agree(walk, truth_of(scribe.job.root, ledger, scribe.job.load), ledger)


@given(seed=st.integers(0, 2**32), asked=st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_u3_each_unit_is_told_once_as_long_as_it_is_open(seed: int, asked: int) -> None:
    """However seldom somebody asks: what was closed meanwhile is left out. The root tells crawl units."""
    scribe = written(seed, 250, 10_000)
    walk, told = Walk(scribe.job.root, scribe.job.load), list[str]()
    for sequence, record in enumerate(scribe.records):
        walk.feed(sequence, record)
        if sequence % asked == 0:
            told.extend(expected.task.unit_id for expected in walk.take_expected())
    last = walk.take_expected()
    told.extend(expected.task.unit_id for expected in last)
    assert len(told) == len(set(told))
    crawls = {name for wave in range(walk.root.waves) for name in walk.root.crawl_ids(wave)}
    assert set(told) >= set(walk.open_ids()) - crawls
    assert set(told) <= {name for name, _ in walk.entries()} - crawls
    assert walk.take_expected() == []
