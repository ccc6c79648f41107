"""The barrier: which units a finalisation has, from counted records alone."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pairmill.ledger.finalisation import next_phase
from pairmill.ledger.phases import Phase, choices_of, next_choice, partition_count, phases_of
from pairmill.units import reference_list
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import FinalisePhase, ObjectRef, References, Stage, UnitDone
from tests.unit.finaliser.finalising import SPEC_REF, Finaliser, cut, job, samples

P = FinalisePhase
SCATTER, CONTENTS, BANDS, CLUSTERS, THRESHOLDS, CLUSTER, URL, CAP, DATA, TRAIN = range(1, 11)


def names(phases: tuple[Phase, ...]) -> list[int]:
    return [int(phase) for phase in phases]


@pytest.mark.parametrize(
    ("spec", "phases"),
    [
        (job(), [SCATTER, CONTENTS, BANDS, CLUSTERS, THRESHOLDS, CLUSTER, URL, CAP, DATA, TRAIN]),
        (job(max_hash_distance=-1), [SCATTER, CLUSTERS, THRESHOLDS, CLUSTER, URL, CAP, DATA, TRAIN]),
        (
            job(choose_by_cluster=False, choose_by_url=False, max_per_domain=None),
            [SCATTER, CONTENTS, BANDS, CLUSTERS, DATA, TRAIN],
        ),
        (job(base_kind="refilter"), [SCATTER, THRESHOLDS, CLUSTER, URL, CAP, DATA, TRAIN]),
        (job(base_kind="retry_failed"), list(range(1, 11))),
    ],
    ids=["all", "no near-duplicates", "no choice", "refilter", "repair"],
)
def test_a_job_has_the_phases_that_its_rules_need(spec: JobSpec, phases: list[int]) -> None:
    assert names(phases_of(spec)) == phases


def test_choices_follow_in_their_order() -> None:
    spec = job(choose_by_url=False)
    assert names(choices_of(spec)) == [CLUSTER, CAP]
    assert next_choice(spec, P.FINALISE_PHASE_THRESHOLDS) == P.FINALISE_PHASE_CHOOSE_CLUSTER
    assert next_choice(spec, P.FINALISE_PHASE_CHOOSE_CLUSTER) == P.FINALISE_PHASE_CHOOSE_CAP
    assert next_choice(spec, P.FINALISE_PHASE_CHOOSE_CAP) is None


@pytest.mark.parametrize(("rows", "size", "count"), [(0, 5, 1), (5, 5, 1), (6, 5, 2), (3, 0, 3)])
def test_partitions_follow_from_rows(rows: int, size: int, count: int) -> None:
    assert partition_count(rows, size) == count


def test_a15_the_same_records_give_the_same_tasks(tmp_path: Path) -> None:
    """Two gateways, or one before and after a restart, come to the same ids and digests."""
    finaliser = Finaliser(tmp_path)
    scored = finaliser.put_scores(cut(samples(1, 60), 7))
    finaliser.run(job(), scored)
    phases: dict[Phase, list[UnitDone]] = {}
    for phase, records in finaliser.phases.items():
        plans = [
            next_phase(job(), SPEC_REF, scored, phases, lambda ref: finaliser.store.get(ref.key))
            for _ in range(2)
        ]
        assert plans[0] is not None
        assert plans[0] == plans[1]
        assert plans[0].phase == phase
        assert [task.unit_id for task in plans[0].tasks] == [done.unit_id for done in records]
        assert [task.input_digest for task in plans[0].tasks] == [done.input_digest for done in records]
        phases[phase] = records
    assert next_phase(job(), SPEC_REF, scored, phases, lambda ref: finaliser.store.get(ref.key)) is None


def test_blocks_have_few_files_and_few_rows() -> None:
    sizes = [5, 5, 5, 5, 40, 5, 0, 30, 1]
    scored = [record(f"j1/{number}", size) for number, size in enumerate(sizes)]
    plan = next_phase(job(scatter_block=3, partition_rows=30), SPEC_REF, scored, {}, unread)
    assert plan is not None
    blocks = [[ref.rows for ref in task.input.finalise.inputs.inline] for task in plan.tasks]
    assert blocks == [[5, 5, 5], [5], [40], [5, 0], [30], [1]]
    assert [task.unit_id for task in plan.tasks] == [f"j1/f01/{number:05d}" for number in range(6)]
    assert {task.input.finalise.next_partitions for task in plan.tasks} == {4}


def test_many_references_come_by_a_list(tmp_path: Path) -> None:
    stored: dict[str, bytes] = {}
    outputs, listed = reference_list([scores(f"s{number}", 10) for number in range(100)], "j1")
    stored |= listed
    done = UnitDone(job_id="j1", unit_id="j1/a", stage=Stage.STAGE_SCORE, outputs=outputs)
    plan = next_phase(
        job(scatter_block=512, partition_rows=10**6), SPEC_REF, [done], {}, lambda ref: stored[ref.key]
    )
    assert plan is not None
    (task,) = plan.tasks
    inputs = task.input.finalise.inputs
    assert inputs.HasField("listed")
    assert len(References.FromString(plan.attachments[inputs.listed.key]).inline) == 100
    assert task.rows == 1000


@pytest.mark.parametrize("size", [1, 3, 10, 1000])
def test_train_units_cover_all_ranks_once(size: int) -> None:
    source = random.Random(size)
    sizes = [source.randrange(1, 9) for _ in range(20)]
    kept = [
        ObjectRef(key=f"k{number}", rows=rows, role="step_kept", partition=number // 3)
        for number, rows in enumerate(sizes)
    ]
    records = [
        UnitDone(
            unit_id=f"j1/f09/{part:05d}", outputs=References(inline=[r for r in kept if r.partition == part])
        )
        for part in range(7)
    ]
    spec = job(train_shard_samples=size)
    phases: dict[Phase, list[UnitDone]] = {phase: [] for phase in phases_of(spec)[:-2]}
    phases[P.FINALISE_PHASE_WRITE_DATA] = records
    plan = next_phase(spec, SPEC_REF, [record("j1/0", 100)], phases, unread)
    assert plan is not None
    ranks = [(ref.key, place) for ref in kept for place in range(ref.rows)]
    found = []
    for number, task in enumerate(plan.tasks):
        unit = task.input.finalise
        rows = [(ref.key, place) for ref in unit.inputs.inline for place in range(ref.rows)]
        mine = rows[number * size - unit.first_rank :][:size]
        assert len(mine) == task.rows
        assert all(ref.key in {key for key, _ in mine} for ref in unit.inputs.inline)  # nothing read in vain
        found += mine
    assert found == ranks


def scores(key: str, rows: int) -> ObjectRef:
    return ObjectRef(key=key, rows=rows, role="scores")


def record(unit_id: str, rows: int) -> UnitDone:
    return UnitDone(unit_id=unit_id, outputs=References(inline=[scores(unit_id, rows)]))


def unread(ref: ObjectRef) -> bytes:
    raise AssertionError(f"{ref.key} was read")
