"""The embed unit: rows in, three aligned files, failures and the score unit out (U11)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairmill.errors import ConfigurationError, CutOffError
from pairmill.schemas import EMBED_FAILURES, EMBEDDING_METADATA, SCHEMA_VERSION
from pairmill.stage.port import UnitContext, UnitResult
from pairmill.units import input_digest, new_task
from pairmill_inference.handler import EmbedHandler, EmbedParts
from pairmill_models.embedder import ModelError
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.job.v1.job_pb2 import BundlePin, ImageRules, JobSpec
from pairmill_protos.unit.v1.unit_pb2 import EmbedInput, ObjectRef, Stage, UnitInput
from tests.fakes.embed_parts import DIGEST, embed_parts
from tests.fakes.embedder import DEADLY_TEXT, FakeEmbedder, Floats
from tests.fakes.shard import Row, Shard, build_shard, jpeg, row
from tests.unit.arrays.memory_store import MemoryStore, new_context

SPEC = JobSpec(job_id="job1", rules_version="1", bundle=BundlePin(name="fake", digest=DIGEST, dimensions=16))
PASSED = (Outcome.OUTCOME_PASSED, Reason.REASON_UNSPECIFIED)


class Bench:
    """A store with one shard in it, and attempts at its embed unit."""

    def __init__(self, shard: Shard, folder: Path, spec: JobSpec = SPEC) -> None:
        self.store = MemoryStore()
        self.shard = shard
        self._folder = folder
        self._spec = spec
        self.store.put("shards/a.tar", shard.tar)
        self.store.put("shards/a.parquet", shard.index)
        self.input = EmbedInput(
            shard=self.store.refer("shards/a.tar", rows=0, role="shard"),
            shard_index=self.store.refer("shards/a.parquet", rows=len(shard.rows), role="shard_index"),
        )

    def context(self, attempt: str = "") -> UnitContext:
        task = new_task(
            spec=ObjectRef(key="spec"),
            job_id="job1",
            unit_id="job1/w000/r000/d00000/e",
            unit_input=UnitInput(embed=self.input),
            rows=len(self.shard.rows),
        )
        return new_context(task, self._spec, self.store, self._folder, attempt=attempt)

    def run(self, parts: EmbedParts, attempt: str = "") -> UnitResult:
        return EmbedHandler(parts).handle(self.context(attempt))

    def array(self, result: UnitResult, role: str) -> np.ndarray:
        found: np.ndarray = np.load(io.BytesIO(self.store.get(output(result, role).key)))
        return found

    def column(self, result: UnitResult, role: str, name: str) -> list[Any]:
        return self.table(result, role)[name].to_pylist()

    def table(self, result: UnitResult, role: str) -> pa.Table:
        return pq.read_table(io.BytesIO(self.store.get(output(result, role).key)))


def output(result: UnitResult, role: str) -> ObjectRef:
    (found,) = [ref for ref in result.outputs if ref.role == role]
    return found


def mixed_shard(rows: int = 11) -> Shard:
    return build_shard([*(row(number) for number in range(rows)), Row(text="gone", image=None)])


def test_the_three_files_are_aligned_and_hold_every_downloaded_row(tmp_path: Path) -> None:
    bench = Bench(mixed_shard(), tmp_path)
    embedder = FakeEmbedder()
    with embed_parts(embedder) as parts:
        result = bench.run(parts)
    metadata = bench.table(result, "embedding_metadata")
    images, texts = bench.array(result, "image_embeddings"), bench.array(result, "text_embeddings")
    downloaded = [item for item in bench.shard.rows if item.image is not None]
    assert metadata["sample_id"].to_pylist() == [item.key for item in downloaded]
    assert metadata["caption"].to_pylist() == [item.text for item in downloaded]
    assert images.dtype.str == texts.dtype.str == "<f2"
    assert images.shape == texts.shape == (11, 16)
    assert np.allclose(np.linalg.norm(images.astype(float), axis=1), 1, atol=2e-3)
    wanted = embedder.embed_texts([item.text for item in downloaded])
    assert np.allclose(texts, wanted, atol=1e-3)
    assert {ref.rows for ref in result.outputs} == {11}


def test_f6_every_row_names_the_model_and_its_version(tmp_path: Path) -> None:
    bench = Bench(mixed_shard(), tmp_path)
    with embed_parts() as parts:
        metadata = bench.table(bench.run(parts), "embedding_metadata")
    assert metadata.schema.names == EMBEDDING_METADATA.names
    assert metadata.schema.metadata[b"schema_version"].decode() == SCHEMA_VERSION
    assert set(metadata["model"].to_pylist()) == {"fake"}
    assert set(metadata["model_version"].to_pylist()) == {"fake-1"}


def test_names_carry_unit_and_attempt_and_sort_alike(tmp_path: Path) -> None:
    with embed_parts() as parts:
        result = Bench(mixed_shard(), tmp_path).run(parts, "0123abcd")
    number = "job1.w000.r000.d00000.e-0123abcd"
    assert [ref.key for ref in result.outputs] == [
        f"embeddings/img_emb/img_emb_{number}.npy",
        f"embeddings/text_emb/text_emb_{number}.npy",
        f"embeddings/metadata/metadata_{number}.parquet",
    ]


def test_the_score_unit_follows_with_references_to_all_of_it(tmp_path: Path) -> None:
    bench = Bench(mixed_shard(), tmp_path)
    with embed_parts() as parts:
        result = bench.run(parts)
    (task,) = result.follow_ups
    assert task.stage == Stage.STAGE_SCORE
    assert task.unit_id == "job1/w000/r000/d00000/e/s"
    assert task.rows == 11
    assert task.input_digest == input_digest(task.input)
    score = task.input.score
    assert score.shard == bench.input.shard
    assert score.shard_index == bench.input.shard_index
    assert score.image_embeddings == output(result, "image_embeddings")
    assert score.text_embeddings == output(result, "text_embeddings")
    assert score.embedding_metadata == output(result, "embedding_metadata")
    assert not score.HasField("embed_failures")


def test_e15_f5_bad_rows_fail_alone_and_with_their_reasons(tmp_path: Path) -> None:
    def spoil(texts: Sequence[str], answer: Floats) -> Floats:
        if "picture number 5" in texts:
            raise ModelError("too much")
        answer[[text == "picture number 3" for text in texts]] = np.nan
        return answer

    cut, black = row(6), row(7)
    assert cut.image is not None
    cut.image = cut.image[:-200]
    black_picture = np.zeros((16, 16, 3), dtype=np.uint8)
    black = Row(text=black.text, image=jpeg(black_picture))
    others = [row(number) for number in range(16) if number not in (6, 7)]
    bench = Bench(build_shard([*others, cut, black]), tmp_path)
    with embed_parts(FakeEmbedder(spoil_texts=spoil)) as parts:
        result = bench.run(parts)
    failures = bench.table(result, "embed_failures")
    ids = bench.column(result, "embed_failures", "sample_id")
    by_text = {item.key: item.text for item in bench.shard.rows}
    found = {
        by_text[key]: reason
        for key, reason in zip(ids, bench.column(result, "embed_failures", "reason"), strict=True)
    }
    assert found == {
        "picture number 3": "bad_embedding",
        "picture number 5": "bad_model_output",
        "picture number 6": "truncated_image",
        "picture number 7": "bad_embedding",
    }
    assert failures.schema.names == EMBED_FAILURES.names
    assert ids == sorted(ids)
    assert bench.table(result, "embedding_metadata").num_rows == 12
    assert result.rows_in == 16
    assert dict(result.tally) == {
        PASSED: 12,
        (Outcome.OUTCOME_FAILED, Reason.REASON_BAD_EMBEDDING): 2,
        (Outcome.OUTCOME_FAILED, Reason.REASON_BAD_MODEL_OUTPUT): 1,
        (Outcome.OUTCOME_FAILED, Reason.REASON_TRUNCATED_IMAGE): 1,
    }
    assert result.follow_ups[0].input.score.embed_failures == output(result, "embed_failures")


def test_a_shard_of_which_nothing_is_embedded_writes_no_empty_files(tmp_path: Path) -> None:
    rows = [Row(text=f"broken {number}", image=b"no image at all") for number in range(3)]
    bench = Bench(build_shard(rows), tmp_path)
    with embed_parts() as parts:
        result = bench.run(parts)
    assert [ref.role for ref in result.outputs] == ["embed_failures"]
    (task,) = result.follow_ups
    assert task.rows == 3
    assert not task.input.score.HasField("image_embeddings")
    assert not task.input.score.HasField("embedding_metadata")


def test_a_shard_without_downloaded_rows_leads_to_nothing(tmp_path: Path) -> None:
    bench = Bench(build_shard([Row(text="gone", image=None)]), tmp_path)
    with embed_parts() as parts:
        result = bench.run(parts)
    assert (result.rows_in, list(result.outputs), list(result.follow_ups)) == (0, [], [])


def test_a10_an_attempt_repeated_gives_equal_objects_under_other_names(tmp_path: Path) -> None:
    bench = Bench(mixed_shard(), tmp_path)
    with embed_parts() as parts:
        first, second = bench.run(parts), bench.run(parts)
    assert [ref.sha256 for ref in first.outputs] == [ref.sha256 for ref in second.outputs]
    assert not {ref.key for ref in first.outputs} & {ref.key for ref in second.outputs}
    assert first.tally == second.tally


def test_f4_a_job_pinned_to_another_bundle_is_not_taken(tmp_path: Path) -> None:
    other = JobSpec(job_id="job1", bundle=BundlePin(name="other", revision="2", digest="cd" * 32))
    bench = Bench(mixed_shard(), tmp_path, other)
    with embed_parts() as parts, pytest.raises(ConfigurationError, match="pinned to other 2"):
        bench.run(parts)


def test_f4_a_wrong_answer_leaves_no_object_behind(tmp_path: Path) -> None:
    bench = Bench(mixed_shard(), tmp_path)
    before = set(bench.store.objects)
    calls: list[int] = []

    def spoil(texts: Sequence[str], answer: Floats) -> Floats:
        calls.append(len(texts))
        return answer[:, :8] if len(calls) > 1 else answer

    with embed_parts(FakeEmbedder(spoil_texts=spoil)) as parts, pytest.raises(ConfigurationError):
        bench.run(parts)
    assert set(bench.store.objects) == before


def test_a8_a_block_that_comes_to_nothing_is_checked_against_known_input(tmp_path: Path) -> None:
    def spoil(texts: Sequence[str], answer: Floats) -> Floats:
        return answer * np.float32(np.nan)

    def check() -> None:
        raise ModelError("the model gives nonsense for known input")

    bench = Bench(mixed_shard(), tmp_path)
    with (
        embed_parts(FakeEmbedder(spoil_texts=spoil), check_model=check) as parts,
        pytest.raises(ModelError, match="known input"),
    ):
        bench.run(parts)


def test_a3_a_unit_that_is_cut_off_has_nothing_to_show(tmp_path: Path) -> None:
    bench = Bench(mixed_shard(), tmp_path)
    context = bench.context()
    done: list[tuple[int, int]] = []

    def report(rows: int, total: int) -> None:
        done.append((rows, total))
        if rows == 8:
            context.cut_off.set()

    context = replace(context, report_progress=report)
    before = set(bench.store.objects)
    with embed_parts() as parts, pytest.raises(CutOffError):
        EmbedHandler(parts).handle(context)
    assert done == [(4, 11), (8, 11)]
    assert set(bench.store.objects) == before


def test_a7_in_isolation_the_text_that_kills_the_process_fails_alone(tmp_path: Path) -> None:
    deadly = row(50, DEADLY_TEXT)
    shard = build_shard([*(row(number) for number in range(4)), deadly])
    bench = Bench(shard, tmp_path)
    with embed_parts() as parts:
        result = EmbedHandler(parts).handle(replace(bench.context(), isolated=True))
    failures = bench.table(result, "embed_failures")
    assert failures["sample_id"].to_pylist() == [deadly.key]
    assert failures["reason"].to_pylist() == ["crashed"]
    metadata = bench.table(result, "embedding_metadata")
    assert metadata["sample_id"].to_pylist() == [item.key for item in shard.rows if item is not deadly]
    texts = bench.array(result, "text_embeddings").astype(float)
    wanted = FakeEmbedder().embed_texts(bench.column(result, "embedding_metadata", "caption"))
    assert np.allclose(texts, wanted, atol=1e-3)


def test_images_stored_as_fetched_are_decoded_in_child_processes(tmp_path: Path) -> None:
    foreign = JobSpec()
    foreign.CopyFrom(SPEC)
    foreign.image.CopyFrom(ImageRules(skip_reencode=True))
    own = Bench(mixed_shard(), tmp_path)
    other = Bench(own.shard, tmp_path, foreign)
    with embed_parts() as parts:
        in_threads, in_children = own.run(parts), other.run(parts)
    assert [ref.sha256 for ref in in_threads.outputs] == [ref.sha256 for ref in in_children.outputs]


def test_the_self_test_is_the_models_known_answer() -> None:
    calls: list[str] = []
    with embed_parts(check_model=lambda: calls.append("checked")) as parts:
        handler = EmbedHandler(parts)
        handler.self_test()
        handler.close()
    assert calls == ["checked"]
    assert handler.stage == Stage.STAGE_EMBED
