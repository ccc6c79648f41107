"""For how long units have been open, as far as a gateway knows."""

from __future__ import annotations

from pairmill.ledger.walk import Walk
from pairmill_gateway.open_since import OpenSince
from pairmill_protos.unit.v1.unit_pb2 import LedgerRecord, ObjectRef
from tests.fakes.clock import ManualClock
from tests.fakes.ledger import toy_root


def test_a_unit_that_was_not_seen_yet_is_new() -> None:
    clock, walk = ManualClock(), Walk(toy_root(3, 3, 1), load_nothing)
    since = OpenSince(clock)
    since.note(walk)
    seen = walk.open_ids()
    clock.sleep(60)
    assert [since.age_seconds(unit_id) for unit_id in (seen[0], "a")] == [60, 0]


def test_what_is_closed_is_forgotten() -> None:
    clock, walk = ManualClock(), Walk(toy_root(3, 3, 1), load_nothing)
    since, unit_id = OpenSince(clock), walk.open_ids()[1]
    since.note(walk)
    record = LedgerRecord()
    task = walk.open_task(unit_id)
    assert task is not None
    record.done.unit_id, record.done.input_digest = task.unit_id, task.input_digest
    walk.feed(0, record)
    clock.sleep(60)
    since.note(walk)
    assert since.age_seconds(unit_id) == 0


def load_nothing(ref: ObjectRef) -> bytes:
    raise AssertionError(f"{ref.key} is not needed")
