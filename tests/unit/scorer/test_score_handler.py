"""The score unit: every downloaded row gets scores and a verdict, or the reason why not (U11)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pairmill.errors import ConfigurationError, CorruptObjectError, CutOffError, InvalidRecordError
from pairmill.ids import to_hex
from pairmill.reasons import outcome_name
from pairmill.schemas import SCORED
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.job.v1.job_pb2 import ImagePolicy, ScoreRules
from pairmill_protos.unit.v1.unit_pb2 import Stage
from pairmill_scorer.handler import ScoreHandler
from tests.fakes.heads import FakeHeads
from tests.fakes.shard import row
from tests.unit.scorer.score_bench import (
    Bench,
    by_key,
    embedded,
    parts,
    spec,
)


def test_every_downloaded_row_is_scored_sorted_by_id(tmp_path: Path) -> None:
    bench = Bench(embedded([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), tmp_path)
    result = bench.run()
    table = bench.table(result)
    assert table.schema.equals(SCORED)
    ids: list[Any] = table["sample_id"].to_pylist()
    assert ids == sorted(ids)
    assert len(ids) == result.rows_in == 6
    assert not result.follow_ups
    assert dict(result.tally) == {(Outcome.OUTCOME_KEPT, Reason.REASON_UNSPECIFIED): 6}
    wanted = {row(number).key: 0.1 + 0.1 * number for number in range(6)}
    found = by_key(table)
    for key, similarity in wanted.items():
        assert found[key]["similarity"] == pytest.approx(similarity, abs=2e-3)
        assert found[key]["rule_version"] == "7"
        assert (found[key]["model"], found[key]["model_version"]) == ("fake", "fake-1")
        assert (found[key]["width"], found[key]["original_width"]) == (48, 96)


def test_u11_scores_come_from_the_stored_rows_and_are_what_is_written(tmp_path: Path) -> None:
    given = embedded([0.3, 0.5, -0.2, 0.9, 0.0])
    heads = FakeHeads()
    bench = Bench(given, tmp_path)
    found = by_key(bench.table(bench.run(parts(heads))))
    for place, key in enumerate(given.keys):
        image, text = given.images[place].astype(np.float32), given.texts[place].astype(np.float32)
        assert found[key]["similarity"] == pytest.approx(float(image @ text), abs=1e-6)
        assert found[key]["unsafe_score"] == image[0] ** 2
        assert found[key]["watermark_score"] == image[1] ** 2
        assert found[key]["aesthetic_score"] == image[2] ** 2
        assert found[key]["toxicity"] == text[3] ** 2
    assert [len(images) for images, _ in heads.batches] == [4, 1]
    for images, texts in heads.batches:
        assert images.dtype == texts.dtype == np.float32
        assert np.array_equal(images, images.astype(np.float16))


def test_f8_rows_are_matched_by_id_whatever_the_order_of_the_files(tmp_path: Path) -> None:
    straight = Bench(embedded([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), tmp_path)
    mixed = Bench(embedded([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], shuffle=4), tmp_path)
    assert straight.given.keys != mixed.given.keys
    assert straight.table(straight.run()).equals(mixed.table(mixed.run()))


def test_rows_without_embeddings_fail_with_their_own_reason(tmp_path: Path) -> None:
    failed = {1: "bad_embedding", 3: "truncated_image", 4: "crashed"}
    bench = Bench(embedded([0.5] * 6, failed=failed), tmp_path)
    result = bench.run()
    found = by_key(bench.table(result))
    for number, reason in failed.items():
        item = found[row(number).key]
        assert (item["outcome"], item["reason"], item["similarity"]) == ("failed", reason, None)
        assert item["unsafe_score"] is item["toxicity"] is item["model"] is None
    assert sum(result.tally.values()) == result.rows_in == 6
    assert result.tally[Outcome.OUTCOME_FAILED, Reason.REASON_CRASHED] == 1
    assert result.tally[Outcome.OUTCOME_KEPT, Reason.REASON_UNSPECIFIED] == 3


def test_a_shard_of_which_nothing_was_embedded_fails_row_by_row(tmp_path: Path) -> None:
    bench = Bench(embedded([0.5] * 3, failed=dict.fromkeys(range(3), "not_an_image")), tmp_path)
    result = bench.run()
    assert dict(result.tally) == {(Outcome.OUTCOME_FAILED, Reason.REASON_NOT_AN_IMAGE): 3}
    assert bench.table(result)["similarity"].null_count == 3


def test_verdicts_follow_the_jobs_thresholds(tmp_path: Path) -> None:
    rules = ScoreRules(min_similarity={"*": 0.3}, max_unsafe_score=0.05)
    bench = Bench(embedded([0.1, 0.5, 0.7, 0.2, 0.9, 0.8]), tmp_path, spec(rules))
    result = bench.run()
    counts: dict[tuple[str, str], int] = {}
    for item in bench.table(result).to_pylist():
        low, unsafe = item["similarity"] < np.float32(0.3), item["unsafe_score"] > np.float32(0.05)
        reason = "low_similarity" if low else "unsafe" if unsafe else ""
        assert (item["outcome"], item["reason"]) == ("filtered" if reason else "kept", reason)
        counts[item["outcome"], reason] = counts.get((item["outcome"], reason), 0) + 1
    assert counts["filtered", "low_similarity"] == 2
    assert sum(result.tally.values()) == 6


def test_a_score_without_a_head_is_null_and_breaks_a_rule_that_is_set(tmp_path: Path) -> None:
    bench = Bench(embedded([0.5] * 5), tmp_path, spec(ScoreRules(max_toxicity=0.9)))
    result = bench.run(parts(FakeHeads(names=("unsafe_score",))))
    table = bench.table(result)
    assert table["unsafe_score"].null_count == 0
    for name in ("watermark_score", "aesthetic_score", "toxicity"):
        assert table[name].null_count == 5
    assert dict(result.tally) == {(Outcome.OUTCOME_FILTERED, Reason.REASON_TOXIC): 5}


def test_e15_no_score_that_is_not_a_number_is_written(tmp_path: Path) -> None:
    given = embedded([0.5] * 5)
    given.images[2] = np.nan
    bench = Bench(given, tmp_path)
    found = by_key(bench.table(bench.run()))[given.keys[2]]
    assert (found["outcome"], found["reason"]) == ("failed", "bad_embedding")
    assert found["similarity"] is found["unsafe_score"] is None


# Whose bytes stay


def images_of(bench: Bench, table: pa.Table) -> Iterator[tuple[dict[str, Any], bytes | None]]:
    for item in table.to_pylist():
        if item["shard"] is None:
            assert item["tar_offset"] is item["tar_size"] is None
            yield item, None
        else:
            yield item, bench.store.get_range(item["shard"], item["tar_offset"], item["tar_size"])


@pytest.mark.parametrize("policy", [ImagePolicy.IMAGE_POLICY_UNSPECIFIED, ImagePolicy.IMAGE_POLICY_ALL])
def test_under_all_rows_point_to_the_shard(tmp_path: Path, policy: ImagePolicy.ValueType) -> None:
    rules = ScoreRules(min_similarity={"*": 0.3})
    bench = Bench(embedded([0.1, 0.5, 0.7], failed={2: "crashed"}), tmp_path, spec(rules, policy))
    result = bench.run()
    assert [ref.role for ref in result.outputs] == ["scores"]
    stored = {item.key: item.image for item in bench.given.shard.rows}
    for item, data in images_of(bench, bench.table(result)):
        assert item["shard"] == "shards/a.tar"
        assert data == stored[to_hex(item["sample_id"])]


def test_under_kept_a_tar_holds_what_passes_and_rows_point_there(tmp_path: Path) -> None:
    rules = ScoreRules(min_similarity={"*": 0.3})
    job = spec(rules, ImagePolicy.IMAGE_POLICY_KEPT)
    bench = Bench(embedded([0.1, 0.5, 0.7, 0.2, 0.8], failed={2: "crashed"}), tmp_path, job)
    result = bench.run()
    (tar,) = [ref for ref in result.outputs if ref.role == "kept_shard"]
    assert tar.rows == 2
    stored = {item.key: item.image for item in bench.given.shard.rows}
    for item, data in images_of(bench, bench.table(result)):
        if item["outcome"] == outcome_name(Outcome.OUTCOME_KEPT):
            assert item["shard"] == tar.key
            assert data == stored[to_hex(item["sample_id"])]
        else:
            assert data is None


def test_under_kept_nothing_is_written_where_nothing_passes(tmp_path: Path) -> None:
    job = spec(ScoreRules(min_similarity={"*": 0.99}), ImagePolicy.IMAGE_POLICY_KEPT)
    bench = Bench(embedded([0.1, 0.5]), tmp_path, job)
    result = bench.run()
    assert [ref.role for ref in result.outputs] == ["scores"]
    assert all(data is None for _, data in images_of(bench, bench.table(result)))


def test_under_none_rows_point_nowhere(tmp_path: Path) -> None:
    bench = Bench(embedded([0.5, 0.6]), tmp_path, spec(policy=ImagePolicy.IMAGE_POLICY_NONE))
    result = bench.run()
    assert [ref.role for ref in result.outputs] == ["scores"]
    assert all(data is None for _, data in images_of(bench, bench.table(result)))


# What does not belong together


def test_f4_a_job_pinned_to_another_bundle_is_not_taken(tmp_path: Path) -> None:
    bench = Bench(embedded([0.5]), tmp_path)
    with pytest.raises(ConfigurationError, match="pinned to fake"):
        bench.run(parts(bundle_digest="cd" * 32))


def test_f6_embeddings_of_two_models_are_refused(tmp_path: Path) -> None:
    bench = Bench(embedded([0.5, 0.6]), tmp_path)
    bench.metadata[1]["model_version"] = "fake-2"
    with pytest.raises(InvalidRecordError, match="fake-2"):
        bench.run()


def cut_row(bench: Bench) -> None:
    bench.given.images = bench.given.images[:-1]


def drop_metadata(bench: Bench) -> None:
    bench.metadata.pop()
    bench.given.images, bench.given.texts = bench.given.images[:-1], bench.given.texts[:-1]


def repeat_id(bench: Bench) -> None:
    bench.metadata[1]["sample_id"] = bench.metadata[0]["sample_id"]


def strange_id(bench: Bench) -> None:
    bench.metadata[1]["sample_id"] = "0" * 32


def fail_and_embed(bench: Bench) -> None:
    bench.given.failed[bench.given.keys[0]] = "crashed"


def other_width(bench: Bench) -> None:
    bench.given.images, bench.given.texts = bench.given.images[:, :8], bench.given.texts[:, :8]


def other_type(bench: Bench) -> None:
    bench.given.texts = bench.given.texts.astype(np.float32)


@pytest.mark.parametrize(
    "damage", [cut_row, drop_metadata, repeat_id, strange_id, fail_and_embed, other_width, other_type]
)
def test_f8_files_that_do_not_belong_together_are_refused(tmp_path: Path, damage: Any) -> None:
    bench = Bench(embedded([0.5, 0.6, 0.7]), tmp_path)
    damage(bench)
    with pytest.raises(InvalidRecordError):
        bench.run()


def test_g4_a_stored_object_that_changed_is_refused(tmp_path: Path) -> None:
    bench = Bench(embedded([0.5, 0.6, 0.7]), tmp_path)
    context = bench.context()
    data = bytearray(bench.store.objects["e/i.npy"])
    data[-1] ^= 1
    bench.store.objects["e/i.npy"] = bytes(data)
    with pytest.raises(CorruptObjectError):
        ScoreHandler(parts()).handle(context)


def test_a3_a_unit_that_is_cut_off_has_nothing_to_show(tmp_path: Path) -> None:
    bench = Bench(embedded([0.5] * 6), tmp_path)
    context = bench.context()
    context.cut_off.set()
    before = set(bench.store.objects)
    with pytest.raises(CutOffError):
        ScoreHandler(parts()).handle(context)
    assert set(bench.store.objects) == before


def test_a10_an_attempt_repeated_gives_equal_objects_under_other_names(tmp_path: Path) -> None:
    job = spec(ScoreRules(min_similarity={"*": 0.3}), ImagePolicy.IMAGE_POLICY_ALL)
    bench = Bench(embedded([0.5, 0.1, 0.6]), tmp_path, job)
    first, second = bench.run(), bench.run()
    assert [ref.sha256 for ref in first.outputs] == [ref.sha256 for ref in second.outputs]
    assert {ref.key for ref in first.outputs}.isdisjoint(ref.key for ref in second.outputs)


def test_the_self_test_is_the_heads_known_answer() -> None:
    calls: list[str] = []
    handler = ScoreHandler(parts(check_heads=lambda: calls.append("checked")))
    handler.self_test()
    handler.close()
    assert calls == ["checked"]
    assert handler.stage == Stage.STAGE_SCORE
