from __future__ import annotations

import io
import json
import random
import tarfile
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill.errors import CorruptObjectError, CutOffError, InvalidRecordError
from pairmill.reasons import outcome_name, reason_name
from pairmill.schemas import SAMPLES, TRAIN_INDEX
from pairmill.units import new_task, reference_list
from pairmill_finaliser.config import FinaliserConfig
from pairmill_finaliser.handler import FinaliseHandler
from pairmill_protos.job.v1.job_pb2 import ImagePolicy
from pairmill_protos.unit.v1.unit_pb2 import FinaliseInput, FinalisePhase, UnitInput
from tests.unit.arrays.memory_store import new_context
from tests.unit.finaliser.finalising import (
    SPEC_REF,
    Finaliser,
    Row,
    check_data,
    cut,
    image_of,
    job,
    naive_finalisation,
    samples,
)


@settings(deadline=None, derandomize=True, max_examples=12)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(0, 90),
    file_rows=st.integers(5, 40),
    rules=st.fixed_dictionaries(
        {},
        optional={
            "max_hash_distance": st.integers(-1, 6),
            "choose_by_cluster": st.booleans(),
            "choose_by_url": st.booleans(),
            "max_per_domain": st.none() | st.integers(1, 9),
            "scatter_block": st.integers(1, 9),
            "partition_rows": st.integers(15, 200),
            "train_shard_samples": st.integers(1, 40),
        },
    ),
)
def test_a_finalisation_equals_the_one_made_pair_by_pair(
    seed: int, count: int, file_rows: int, rules: dict[str, Any]
) -> None:
    spec, rows = job(**rules), samples(seed, count)
    if rules.get("max_per_domain", 1) is None:
        spec.finalise.ClearField("max_per_domain")
    truth = naive_finalisation(rows, spec)
    with tempfile.TemporaryDirectory() as folder:
        finaliser = Finaliser(Path(folder), seed=seed)
        finaliser.run(spec, finaliser.put_scores(cut(rows, file_rows)))
        check_data(finaliser.data(), rows, truth)
        check_tally(finaliser, list(truth.verdicts.values()))
        check_train(finaliser, rows, truth.kept, spec.finalise.train_shard_samples)


def check_tally(finaliser: Finaliser, verdicts: list[tuple[str, str]]) -> None:
    found = {
        (outcome_name(outcome), reason_name(reason)): count  # type: ignore[arg-type]  # plain numbers
        for (outcome, reason), count in finaliser.tally.items()
    }
    assert found == Counter(verdicts)


def check_train(
    finaliser: Finaliser, rows: list[Row], kept: list[str], size: int, job_id: str = "j1"
) -> None:
    """Each tar holds `size` kept samples in order of their ids, with their stored images."""
    by_id = {row["sample_id"].hex(): row for row in rows}
    tars = finaliser.train()
    assert list(tars) == [f"train/{job_id}/{number:05d}.tar" for number in range(-(-len(kept) // size))]
    for number, data in enumerate(tars.values()):
        expected = kept[number * size : (number + 1) * size]
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            members = {member.name: tar.extractfile(member) for member in tar}
            names = [f"{name}.{kind}" for name in expected for kind in ("jpg", "txt", "json")]
            assert list(members) == names
            for name in expected:
                image, text, about = (members[f"{name}.{kind}"] for kind in ("jpg", "txt", "json"))
                assert image is not None
                assert image.read() == image_of(by_id[name])
                assert text is not None
                assert text.read().decode() == by_id[name]["text"]
                assert about is not None
                assert json.loads(about.read())["sample_id"] == name
        index = pq.read_table(
            io.BytesIO(finaliser.store.get(f"train/{job_id}/{number:05d}.parquet"))
        ).to_pylist()
        assert [row["key"] for row in index] == expected
        for row in index:
            stored = data[row["tar_offset"] : row["tar_offset"] + row["tar_size"]]
            assert stored == image_of(by_id[row["key"]])


def test_train_bytes_do_not_depend_on_how_the_work_was_cut(tmp_path: Path) -> None:
    rows = samples(11, 120)
    found = []
    cuts = [(7, 1, 30), (50, 512, 1000), (17, 4, 61)]
    for seed, (file_rows, block, partition_rows) in enumerate(cuts):
        folder = tmp_path / str(seed)
        folder.mkdir()
        finaliser = Finaliser(folder, seed=seed)
        shuffled = random.Random(seed).sample(rows, len(rows))
        spec = job(scatter_block=block, partition_rows=partition_rows)
        finaliser.run(spec, finaliser.put_scores(cut(shuffled, file_rows)))
        found.append(finaliser.train())
    assert len(found[0]) > 1
    assert all(tars == found[0] for tars in found)


def test_train_holds_nothing_that_may_differ_between_runs(tmp_path: Path) -> None:
    rows = samples(12, 40)
    finaliser = Finaliser(tmp_path)
    finaliser.run(job(), finaliser.put_scores(cut(rows, 10)))
    with tarfile.open(fileobj=io.BytesIO(next(iter(finaliser.train().values())))) as tar:
        members = tar.getmembers()
        about = json.loads(tar.extractfile(members[2]).read())  # type: ignore[union-attr]  # a plain file
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}
    assert about.keys() == set(TRAIN_INDEX.names) - {"image_path", "tar_offset", "tar_size"}
    assert not about.keys() & {"similarity", "shard", "fetched_at", "attempts", "language_confidence"}


def test_units_of_all_phases_balance_and_only_data_counts_final_outcomes(tmp_path: Path) -> None:
    finaliser = Finaliser(tmp_path)
    finaliser.run(job(), finaliser.put_scores(cut(samples(3, 60), 10)))
    assert list(finaliser.phases) == sorted(finaliser.phases)
    assert len(finaliser.phases) == 10
    for phase, records in finaliser.phases.items():
        for done in records:
            assert done.rows_in == sum(count.rows for count in done.counts)
            assert done.unit_id.startswith(f"j1/f{phase:02d}/")
            names = {outcome_name(count.outcome) for count in done.counts}
            final = phase == FinalisePhase.FINALISE_PHASE_WRITE_DATA
            assert names <= ({"kept", "filtered", "failed"} if final else {"passed"})


def test_data_files_are_named_by_unit_and_attempt(tmp_path: Path) -> None:
    finaliser = Finaliser(tmp_path)
    finaliser.run(job(), finaliser.put_scores(cut(samples(3, 60), 10)))
    for ref in finaliser.outputs("samples"):
        folder, name = ref.key.split("/")[1:]
        assert folder in ("en", "multi", "nolang")
        assert name.startswith(f"part-j1.f09.{ref.partition:05d}-")
        table = pq.read_table(io.BytesIO(finaliser.store.get(ref.key)))
        assert table.schema.names == SAMPLES.names
        assert table.schema.metadata[b"schema_version"] == b"1"


def test_a_job_with_nothing_scored_has_no_phase(tmp_path: Path) -> None:
    finaliser = Finaliser(tmp_path)
    assert finaliser.next_phase(job(), []) is None
    assert finaliser.next_phase(job(), finaliser.put_scores([[]])) is None


def test_a_job_that_keeps_nothing_has_data_but_no_train(tmp_path: Path) -> None:
    spec, rows = job(), samples(4, 30)
    spec.score.min_similarity["*"] = 1.0
    finaliser = Finaliser(tmp_path)
    finaliser.run(spec, finaliser.put_scores(cut(rows, 10)))
    assert {row["verdict"] for row in finaliser.data().values()} == {"filtered", "failed"}
    assert finaliser.train() == {}


def test_u11_without_stored_bytes_there_is_no_train(tmp_path: Path) -> None:
    spec, rows = job(), samples(4, 30)
    spec.image.policy = ImagePolicy.IMAGE_POLICY_NONE
    finaliser = Finaliser(tmp_path)
    finaliser.run(spec, finaliser.put_scores(cut(rows, 10)))
    check_data(finaliser.data(), rows, naive_finalisation(rows, spec))
    assert not any(key.startswith("train/") or "step_kept" in key for key in finaliser.store.objects)


def test_e14_copies_under_many_urls_are_one_cluster(tmp_path: Path) -> None:
    rows = samples(5, 200)
    same = [row | {"content_sha256": rows[0]["content_sha256"], "phash": rows[0]["phash"]} for row in rows]
    finaliser = Finaliser(tmp_path)
    finaliser.run(job(max_hash_distance=-1), finaliser.put_scores(cut(same, 30)))
    smallest = min(row["sample_id"] for row in same).hex()
    assert {row["cluster_id"] for row in finaliser.data().values()} == {smallest}
    assert sum(row["verdict"] == "kept" for row in finaliser.data().values()) == 1


# Jobs with a base


def finished(folder: Path, rows: list[Row], **rules: Any) -> Finaliser:
    finaliser = Finaliser(folder)
    finaliser.run(job(**rules), finaliser.put_scores(cut(rows, 9)))
    return finaliser


@pytest.mark.parametrize("aligned", [True, False], ids=["as they are", "scattered anew"])
def test_u12_a_refilter_makes_verdicts_anew_from_stored_samples(tmp_path: Path, aligned: bool) -> None:
    rows = samples(6, 100)
    finaliser = finished(tmp_path, rows)
    base = finaliser.outputs("samples")
    ranges = len(finaliser.phases[FinalisePhase.FINALISE_PHASE_WRITE_DATA])
    spec = job(base_kind="refilter", max_per_domain=3, partition_rows=30 if aligned else 45)
    spec.job_id = "j2"
    spec.score.min_similarity["*"] = 0.3
    spec.base.scored.CopyFrom(reference_list(base, "j2")[0])
    spec.base.partitions = ranges if aligned else 0
    finaliser.run(spec, [])
    first = FinalisePhase.FINALISE_PHASE_THRESHOLDS if aligned else FinalisePhase.FINALISE_PHASE_SCATTER
    assert next(iter(finaliser.phases)) == first
    assert FinalisePhase.FINALISE_PHASE_CLUSTERS not in finaliser.phases
    truth = naive_finalisation(rows, spec)
    check_data(finaliser.data(), rows, truth)
    check_tally(finaliser, list(truth.verdicts.values()))
    assert [key.split("/")[1] for key in finaliser.train()] == ["j2"] * -(-len(truth.kept) // 5)


def test_u12_a_refilter_over_files_that_are_cut_otherwise_is_refused(tmp_path: Path) -> None:
    finaliser = finished(tmp_path, samples(6, 100))
    spec = job(base_kind="refilter")
    spec.base.scored.CopyFrom(reference_list(finaliser.outputs("samples"), "j1")[0])
    spec.base.partitions = 3
    with pytest.raises(InvalidRecordError, match="id range"):
        finaliser.run(spec, [])


@pytest.mark.parametrize("again", [0, 25], ids=["only new rows", "some rows again"])
def test_u16_a_repair_is_finalised_over_the_union(tmp_path: Path, again: int) -> None:
    rows = samples(7, 120)
    base, new = rows[:80], rows[80:]
    finaliser = finished(tmp_path, base)
    changed = [
        row | {"outcome": "kept", "reason": "", "similarity": 0.4, "unsafe_score": 0.0, "phash": "0" * 16}
        for row in base[:again]
    ]
    changed = [row | {"content_sha256": f"{number:064x}"} for number, row in enumerate(changed)]
    spec = job(base_kind="retry_failed")
    spec.job_id = "j2"
    spec.base.scored.CopyFrom(reference_list(finaliser.outputs("samples"), "j1")[0])
    finaliser.run(spec, finaliser.put_scores(cut([*changed, *new], 9), "j2"))
    union = [*changed, *base[again:], *new]
    truth = naive_finalisation(union, spec)
    check_data(finaliser.data(), union, truth)
    check_train(finaliser, union, truth.kept, 5, "j2")


# What goes wrong


def test_a_sample_that_stands_twice_is_not_counted_twice_silently(tmp_path: Path) -> None:
    rows = samples(8, 10)
    finaliser = Finaliser(tmp_path)
    with pytest.raises(RuntimeError, match="twice"):
        finaliser.run(job(), finaliser.put_scores([rows, rows[:1]]))


@pytest.mark.parametrize("fault", ["size", "name", "header"])
def test_g4_an_image_is_read_only_from_where_it_lies(tmp_path: Path, fault: str) -> None:
    finaliser = Finaliser(tmp_path)
    scored = finaliser.put_scores([samples(9, 20)])
    key = next(key for key in finaliser.store.objects if key.startswith("shards/"))
    data = finaliser.store.objects[key]
    if fault == "size":
        finaliser.store.objects[key] = data[:1000]
    elif fault == "name":
        finaliser.store.objects[key] = data[512 * 2 :] + data[: 512 * 2]
    else:
        finaliser.store.objects[key] = bytes(len(data))
    with pytest.raises(CorruptObjectError):
        finaliser.run(job(), scored)


def test_a3_a_unit_that_is_cut_off_is_delivered_again(tmp_path: Path) -> None:
    finaliser = Finaliser(tmp_path)
    plan = finaliser.next_phase(job(), finaliser.put_scores([samples(9, 20)]))
    assert plan is not None
    context = new_context(plan.tasks[0], job(), finaliser.store, tmp_path)
    context.cut_off.set()
    with pytest.raises(CutOffError):
        FinaliseHandler(FinaliserConfig()).handle(context)


def test_an_unknown_phase_is_refused(tmp_path: Path) -> None:
    phase = FinaliseInput(phase=99)  # type: ignore[arg-type]  # of a later version
    task = new_task(spec=SPEC_REF, job_id="j1", unit_id="j1/f99/00000", unit_input=UnitInput(finalise=phase))
    with pytest.raises(ValueError, match="no phase 99"):
        FinaliseHandler(FinaliserConfig()).handle(
            new_context(task, job(), Finaliser(tmp_path).store, tmp_path)
        )


def test_the_self_test_passes() -> None:
    FinaliseHandler(FinaliserConfig()).self_test()
