"""A store that is away while the walk reads lists delays the truth and never changes it (U3, U15)."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill.errors import RetriableError
from pairmill.ledger.walk import JobState, Walk
from pairmill.units import list_key
from pairmill_protos.unit.v1.unit_pb2 import FollowUps, LedgerRecord, ObjectRef, References, Stage, UnitTask
from tests.fakes.ledger import ToyJob, toy_root


class ListingJob(ToyJob):
    """Writes every list of follow-ups and outputs as an object, as units with many of them do."""

    def done(self, task: UnitTask) -> LedgerRecord:
        record = super().done(task)
        outputs, follow_ups = record.done.outputs, record.done.follow_ups
        record.done.outputs.CopyFrom(References(listed=self._object(outputs.SerializeToString())))
        record.done.follow_ups.CopyFrom(FollowUps(listed=self._object(follow_ups.SerializeToString())))
        return record

    def _object(self, data: bytes) -> ObjectRef:
        key = list_key(self.root.spec.job_id, data)
        self.objects[key] = data
        return ObjectRef(key=key, bytes=len(data), role="list")


@dataclass(slots=True)
class FlakyLoad:
    """Fails the first times that an object is asked for."""

    job: ListingJob
    failures: int
    asked: Counter[str] = field(default_factory=Counter)

    def __call__(self, ref: ObjectRef) -> bytes:
        self.asked[ref.key] += 1
        if self.asked[ref.key] <= self.failures:
            raise RetriableError("the store is away")
        return self.job.load(ref)


def carry_out(job: ListingJob) -> list[LedgerRecord]:
    """Returns the ledger of a job whose units all run once, up to the finalisation."""
    walk = Walk(job.root, job.load)
    ledger: list[LedgerRecord] = []
    while tasks := [task for task in walk.open_units() if task.stage != Stage.STAGE_FINALISE]:
        for task in tasks:
            ledger.append(job.done(task))
            walk.feed(len(ledger) - 1, ledger[-1])
    return ledger


def feed_through(walk: Walk, sequence: int, record: LedgerRecord) -> None:
    """Feeds a record and settles until the store answers."""
    try:
        walk.feed(sequence, record)
    except RetriableError:
        settle_through(walk)


def settle_through(walk: Walk) -> None:
    """Settles, however often the store fails."""
    for _ in range(1000):
        try:
            walk.settle()
        except RetriableError:
            continue
        return
    raise AssertionError("the walk does not settle")


def facts(walk: Walk) -> dict[str, object]:
    """Returns what the walk says of each unit and of the job."""
    units = {name: (entry.digest, entry.closing, entry.sequence) for name, entry in walk.entries()}
    return {"units": units, "state": walk.state, "tally": dict(walk.tally), "orphans": walk.orphans}


@given(seed=st.integers(0, 2**32), failures=st.integers(1, 3))
@settings(max_examples=15, deadline=None)
def test_a9_u15_outages_of_the_store_do_not_change_the_truth(seed: int, failures: int) -> None:
    job = ListingJob(toy_root(3, 2, 2), random.Random(seed))
    ledger = carry_out(job)
    steady = Walk(job.root, job.load)
    flaky = Walk(job.root, FlakyLoad(job, failures))
    for sequence, record in enumerate(ledger):
        steady.feed(sequence, record)
        feed_through(flaky, sequence, record)
        assert flaky.state == steady.state
    assert facts(flaky) == facts(steady)
    assert steady.state in (JobState.FINALISING, JobState.FINISHED)


def test_u15_a_record_waits_for_the_store() -> None:
    """A record after which the store is away is neither lost nor taken twice."""
    job = ListingJob(toy_root(1, 1, 1), random.Random(3))
    walk = Walk(job.root, FlakyLoad(job, 1))
    crawl = next(iter(walk.open_units()))
    with pytest.raises(RetriableError):
        walk.feed(0, job.done(crawl))
    assert walk.closing_of(crawl.unit_id, crawl.input_digest) is None
    settle_through(walk)
    assert walk.closing_of(crawl.unit_id, crawl.input_digest) is not None
    assert [task.unit_id for task in walk.open_units()] == ["job/w0000/r0000"]
