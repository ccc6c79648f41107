"""The walk: the same records always give the same truth, however they came about (U3)."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill.ledger.barriers import follow_ups
from pairmill.ledger.paths import ancestors
from pairmill.ledger.walk import Closing, JobState, Walk
from pairmill_protos.unit.v1.unit_pb2 import Cancel, LedgerRecord, Stage, UnitDone, UnitTask
from tests.fakes.ledger import ToyJob, toy_root

NOT_FINAL = {Stage.STAGE_CRAWL, Stage.STAGE_PLAN, Stage.STAGE_DOWNLOAD, Stage.STAGE_EMBED, Stage.STAGE_SCORE}


def small_job(seed: int, *, wats: int = 3, wave_size: int = 2, ranges: int = 2) -> ToyJob:
    return ToyJob(toy_root(wats, wave_size, ranges), random.Random(seed))


def drain(job: ToyJob, walk: Walk, ledger: list[LedgerRecord], draw: random.Random) -> None:
    """Works on open units in random order, some of them twice, until only the finalisation is left."""
    while True:
        work = [task for task in walk.open_units() if task.stage in NOT_FINAL]
        if not work:
            return
        task = draw.choice(work)
        for record in [job.done(task) for _ in range(draw.choice((1, 1, 2)))]:
            walk.feed(len(ledger), record)
            ledger.append(record)


def truth(walk: Walk, ledger: list[LedgerRecord]) -> dict[str, tuple[bytes, str | None, str]]:
    """Returns, for each expected unit, how it was closed and by which attempt."""
    return {
        unit_id: (
            entry.digest,
            entry.closing.value if entry.closing else None,
            ledger[entry.sequence].done.attempt if entry.closing else "",
        )
        for unit_id, entry in walk.entries()
    }


def replay(job: ToyJob, ledger: list[LedgerRecord]) -> Walk:
    walk = Walk(job.root, job.load)
    for sequence, record in enumerate(ledger):
        walk.feed(sequence, record)
    return walk


def naive_truth(job: ToyJob, ledger: list[LedgerRecord]) -> dict[tuple[str, bytes], str]:
    """The definition, word for word, for records without failures: a fixpoint over the whole ledger."""
    first: dict[tuple[str, bytes], UnitDone] = {}
    for record in ledger:
        first.setdefault((record.done.unit_id, record.done.input_digest), record.done)
    counted: dict[tuple[str, bytes], str] = {}
    expected = [task for wave in range(job.root.waves) for task in job.root.crawl_tasks(wave)]
    plans = [record.done for record in ledger if record.done.stage == Stage.STAGE_PLAN]
    expected += [UnitTask(unit_id=plan.unit_id, input_digest=plan.input_digest) for plan in plans]
    while expected:
        task = expected.pop()
        pair = (task.unit_id, task.input_digest)
        if pair in first and pair not in counted:
            counted[pair] = first[pair].attempt
            expected.extend(follow_ups(first[pair], job.load))
    return counted


@given(seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_the_incremental_walk_equals_the_definition(seed: int) -> None:
    job = small_job(seed)
    ledger: list[LedgerRecord] = []
    drain(job, Walk(job.root, job.load), ledger, random.Random(seed + 1))
    walk = replay(job, ledger)
    counted = {
        (unit_id, digest): attempt
        for unit_id, (digest, closing, attempt) in truth(walk, ledger).items()
        if closing == "done"
    }
    assert counted == naive_truth(job, ledger)


@given(seed=st.integers(0, 2**32), repeats=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_late_repetitions_change_nothing(seed: int, repeats: int) -> None:
    """Whatever is delivered again after a unit was closed is an orphan."""
    job, draw = small_job(seed), random.Random(seed)
    ledger: list[LedgerRecord] = []
    walk = Walk(job.root, job.load)
    drain(job, walk, ledger, draw)
    before = truth(walk, ledger)
    tasks = [task for record in ledger for task in follow_ups(record.done, job.load)]
    for _ in range(repeats):
        late = draw.choice(ledger) if not tasks or draw.random() < 0.5 else job.done(draw.choice(tasks))
        walk.feed(10**6, late)
    assert truth(walk, ledger) == before


@given(seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_record_may_stand_before_its_parents(seed: int) -> None:
    """Records of different units may change places: the first of each pair still counts."""
    job, draw = small_job(seed), random.Random(seed)
    ledger: list[LedgerRecord] = []
    drain(job, Walk(job.root, job.load), ledger, draw)
    order = list(range(len(ledger)))
    draw.shuffle(order)
    first_places: dict[tuple[str, bytes], list[int]] = {}
    for place in order:
        pair = (ledger[place].done.unit_id, ledger[place].done.input_digest)
        first_places.setdefault(pair, []).append(place)
    queues = {pair: sorted(places) for pair, places in first_places.items()}
    shuffled = []
    for place in order:  # same multiset, but each pair's own records keep their order
        pair = (ledger[place].done.unit_id, ledger[place].done.input_digest)
        shuffled.append(ledger[queues[pair].pop(0)])
    assert truth(replay(job, shuffled), shuffled) == truth(replay(job, ledger), ledger)


@given(seed=st.integers(0, 2**32), cut=st.integers(0, 200))
@settings(max_examples=60, deadline=None)
def test_a_walk_that_stops_and_starts_anew_goes_on_alike(seed: int, cut: int) -> None:
    job = small_job(seed)
    ledger: list[LedgerRecord] = []
    drain(job, Walk(job.root, job.load), ledger, random.Random(seed))
    part = replay(job, ledger[:cut])
    for sequence, record in enumerate(ledger[cut:], start=cut):
        part.feed(sequence, record)
    assert truth(part, ledger) == truth(replay(job, ledger), ledger)


def test_a_plan_waits_for_its_wave_and_for_the_plan_before() -> None:
    job = small_job(1, wats=4, wave_size=2, ranges=1)
    walk = Walk(job.root, job.load)
    crawls = [task for task in walk.open_units() if task.stage == Stage.STAGE_CRAWL]
    for sequence, task in enumerate((crawls[2], crawls[3], crawls[0])):
        walk.feed(sequence, job.done(task))
    assert not [task for task in walk.open_units() if task.stage == Stage.STAGE_PLAN]
    walk.feed(3, job.done(crawls[1]))
    plans = [task for task in walk.open_units() if task.stage == Stage.STAGE_PLAN]
    assert [task.unit_id for task in plans] == ["job/w0000/r0000"]
    assert not plans[0].input.plan.HasField("seen")
    walk.feed(4, job.done(plans[0]))
    later = [task for task in walk.open_units() if task.stage == Stage.STAGE_PLAN]
    assert [task.unit_id for task in later] == ["job/w0001/r0000"]
    assert later[0].input.plan.seen.inline[0].role == "seen"


def test_u3_the_digests_of_plan_units_never_change() -> None:
    """A gateway of another version must expect the same pairs: their records stand in the ledger."""
    job = small_job(1, wats=200, wave_size=100, ranges=1)
    walk = Walk(job.root, job.load)
    crawls = list(walk.open_units())
    for sequence, task in enumerate(crawls):
        walk.feed(sequence, job.done(task))
    (first,) = walk.open_units()
    walk.feed(len(crawls), job.done(first))
    second = next(task for task in walk.open_units() if task.stage == Stage.STAGE_PLAN)
    assert first.input.plan.candidates.HasField("listed")
    assert [task.input_digest.hex() for task in (first, second)] == [
        "3e43962a367bc5e63f25ed0d290e63e5",
        "88f4a6ff20d9db19aec57982e78b9f4d",
    ]


def test_three_failures_of_different_attempts_close_a_unit() -> None:
    job = small_job(2, wats=1, wave_size=1, ranges=1)
    walk = Walk(job.root, job.load)
    task = next(walk.open_units())
    failures = [job.failed(task) for _ in range(3)]
    walk.feed(0, failures[0])
    walk.feed(1, failures[0])
    walk.feed(2, failures[1])
    assert walk.closing_of(task.unit_id, task.input_digest) is None
    walk.feed(3, failures[2])
    assert walk.closing_of(task.unit_id, task.input_digest) is Closing.FAILED


def test_plans_never_close_by_failures_but_block_the_job() -> None:
    job = small_job(3, wats=1, wave_size=1, ranges=1)
    walk = Walk(job.root, job.load)
    walk.feed(0, job.done(next(walk.open_units())))
    plan = next(walk.open_units())
    for sequence in range(1, 5):
        walk.feed(sequence, job.failed(plan))
    assert walk.closing_of(plan.unit_id, plan.input_digest) is None
    assert walk.blocked() == (plan.unit_id, "ToyError: ")
    walk.feed(9, job.done(plan))
    assert walk.blocked() is None


def test_failures_before_a_resume_are_forgiven() -> None:
    job = small_job(3, wats=1, wave_size=1, ranges=1)
    walk = Walk(job.root, job.load)
    walk.feed(0, job.done(next(walk.open_units())))
    plan = next(walk.open_units())
    for sequence in range(1, 4):
        walk.feed(sequence, job.failed(plan))
    assert walk.blocked(after=0) == (plan.unit_id, "ToyError: ")
    assert walk.blocked(after=3) is None
    for sequence in range(4, 6):
        walk.feed(sequence, job.failed(plan))
    assert walk.blocked(after=3) is None
    walk.feed(6, job.failed(plan))
    assert walk.blocked(after=3) == (plan.unit_id, "ToyError: ")


@pytest.mark.parametrize("ending", ["done", "failed"])
def test_a_record_of_another_input_closes_nothing(ending: str) -> None:
    """A unit is a pair of id and input digest: a zombie's follow-up may bear an expected unit's id."""
    job = small_job(6, wats=1, wave_size=1, ranges=1)
    walk = Walk(job.root, job.load)
    task, other = next(walk.open_units()), UnitTask()
    other.CopyFrom(task)
    other.input_digest = b"of another input"
    for sequence in range(3):
        walk.feed(sequence, job.done(other) if ending == "done" else job.failed(other))
    assert (walk.orphans, walk.open_count) == (3, 1)
    assert walk.closing_of(task.unit_id, other.input_digest) is None
    assert walk.closing_of(task.unit_id, task.input_digest) is None
    walk.feed(3, job.done(task))
    assert walk.closing_of(task.unit_id, task.input_digest) is Closing.DONE


def test_a10_what_comes_after_a_unit_was_closed_is_an_orphan() -> None:
    job = small_job(7, wats=1, wave_size=1, ranges=1)
    walk = Walk(job.root, job.load)
    task = next(walk.open_units())
    first = job.done(task)
    for sequence, record in enumerate((first, first, job.done(task), job.failed(task))):
        walk.feed(sequence, record)
    assert walk.orphans == 3
    assert [walk.is_counted(sequence, first) for sequence in range(4)] == [True, False, False, False]
    assert walk.failures(task.unit_id) == 0


def test_cancel_closes_what_is_open_and_ends_all_expectation() -> None:
    job = small_job(4)
    walk = Walk(job.root, job.load)
    first, second = list(walk.open_units())[:2]
    walk.feed(0, job.done(first))
    walk.feed(1, LedgerRecord(cancel=Cancel(job_id="job")))
    walk.feed(2, job.done(second))
    assert walk.state is JobState.CANCELLED
    assert walk.closing_of(first.unit_id, first.input_digest) is Closing.DONE
    assert walk.closing_of(second.unit_id, second.input_digest) is Closing.CANCELLED
    assert walk.drained


def test_a_cancel_is_void_once_the_finalisation_has_begun() -> None:
    job = small_job(4)
    ledger: list[LedgerRecord] = []
    walk = Walk(job.root, job.load)
    drain(job, walk, ledger, random.Random(4))
    assert walk.state is JobState.FINALISING
    before = truth(walk, ledger)
    walk.feed(len(ledger), LedgerRecord(cancel=Cancel(job_id="job")))
    assert walk.state is JobState.FINALISING
    assert truth(walk, ledger) == before
    assert not walk.drained


def test_only_open_units_are_wanted() -> None:
    job = small_job(5, wats=1, wave_size=1, ranges=1)
    walk = Walk(job.root, job.load)
    crawl = next(walk.open_units())
    assert walk.is_wanted(crawl.unit_id, crawl.input_digest)
    assert not walk.is_wanted(crawl.unit_id, b"of another input")
    walk.feed(0, job.done(crawl))
    assert not walk.is_wanted(crawl.unit_id, crawl.input_digest)
    plan = next(walk.open_units())
    assert walk.is_wanted(plan.unit_id + "/d00000", b"of a parent that is still open")
    walk.feed(1, job.done(plan))
    assert not walk.is_wanted(plan.unit_id + "/d00009", b"no follow-up of the counted attempt")
    (download,) = [task for task in walk.open_units() if task.unit_id == plan.unit_id + "/d00000"]
    assert walk.is_wanted(download.unit_id + "/e", b"published before the record of its open parent")


@pytest.mark.parametrize(
    ("unit_id", "expected"),
    [
        ("job/w0000/r0001/d00002.d1.r1", "job/w0000/r0001/d00002.d1"),
        ("job/w0000/r0001/d00002/e", "job/w0000/r0001/d00002"),
        ("job/w0000/c000001", "job/w0000"),
    ],
)
def test_ids_grow_from_their_parents(unit_id: str, expected: str) -> None:
    assert next(ancestors(unit_id)) == expected
