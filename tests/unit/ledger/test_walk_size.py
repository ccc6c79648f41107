"""A walk has room for a million units: what it keeps of a closed one is small (U3)."""

from __future__ import annotations

import gc
import tracemalloc

from pairmill.ledger.root import JobRoot
from pairmill.ledger.walk import Walk
from pairmill.units import list_key
from pairmill_protos.unit.v1.unit_pb2 import LedgerRecord, ObjectRef, Stage
from tests.bench.ledger_records import UNITS_PER_WAVE, Tree, admission

BYTES_PER_UNIT = 600  # 380 when this was written


def no_object(ref: ObjectRef) -> bytes:
    raise AssertionError(f"nothing is to be read, but {ref.key} was")


def new_tree(waves: int) -> Tree:
    admitted = admission(waves * UNITS_PER_WAVE)
    wats = admitted.objects[admitted.spec.wat_list.key].decode().splitlines()
    return Tree(JobRoot(spec=admitted.spec, spec_ref=admitted.spec_ref, wats=tuple(wats)))


def feed(walk: Walk, tree: Tree, *waves: int) -> None:
    """Feeds the records of some waves. Each wave has a million places in the ledger."""
    for wave in waves:
        for place, record in enumerate(tree.records(wave), start=wave * 1_000_000):
            walk.feed(place, LedgerRecord.FromString(record))
            walk.take_expected()


def test_u3_a_closed_unit_takes_few_bytes() -> None:
    tree = new_tree(4)
    walk = Walk(tree.root, no_object)
    feed(walk, tree, 0, 1)
    tracemalloc.start()
    try:
        before, expected = tracemalloc.get_traced_memory()[0], len(dict(walk.entries()))
        feed(walk, tree, 2)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
        closed = len(dict(walk.entries())) - expected
    finally:
        tracemalloc.stop()
    assert closed > 1000
    assert grown / closed < BYTES_PER_UNIT
    assert walk.open_by_stage[Stage.STAGE_CRAWL] == len(tree.root.wats_of(3)), "the last wave is still open"


def test_u19_plans_of_a_wave_share_the_list_of_its_candidates() -> None:
    """The list is stored once per plan unit that is handed out, under a name that follows from it."""
    tree = new_tree(2)
    walk, records = Walk(tree.root, no_object), tree.records(0)
    for place in tree.root.wats_of(0):
        walk.feed(place, LedgerRecord.FromString(next(records)))
    plans = walk.take_expected()
    assert len(plans) == tree.root.spec.plan.ranges
    assert all(plan.handed_out for plan in plans)
    listed = {plan.task.input.plan.candidates.listed.key for plan in plans}
    assert listed == {list_key(tree.root.spec.job_id, plans[0].task.input.plan.candidates.listed.sha256)}
    assert all(plan.attachments.keys() == listed for plan in plans)
    assert len({id(data) for plan in plans for data in plan.attachments.values()}) == 1
