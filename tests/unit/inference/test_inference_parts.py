"""Embed units over a real bundle: the same embeddings whichever way the work is done."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from pairmill.stage.port import UnitContext
from pairmill.units import new_task
from pairmill_inference.config import InferenceConfig
from pairmill_inference.handler import EmbedHandler
from pairmill_inference.metrics import InferenceMetrics
from pairmill_inference.parts import embed_parts
from pairmill_models.bundle import Bundle, write_bundle
from pairmill_models.check import BundleCheckError
from pairmill_protos.job.v1.job_pb2 import BundlePin, ImageRules, JobSpec
from pairmill_protos.unit.v1.unit_pb2 import EmbedInput, ObjectRef, UnitInput
from tests.fakes.onnx_bundle import random_bundle
from tests.fakes.shard import build_shard, row
from tests.unit.arrays.memory_store import MemoryStore, new_context

ROWS = 9


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return random_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def handler(bundle: Bundle) -> Iterator[EmbedHandler]:
    config = InferenceConfig(bundle=bundle.folder, block_rows=4)
    handler = EmbedHandler(embed_parts(config, bundle))
    yield handler
    handler.close()


def context(store: MemoryStore, bundle: Bundle, folder: Path, *, foreign: bool = False) -> UnitContext:
    shard = build_shard([row(number) for number in range(ROWS)])
    store.put("shards/a.tar", shard.tar)
    store.put("shards/a.parquet", shard.index)
    task = new_task(
        spec=ObjectRef(key="spec"),
        job_id="job1",
        unit_id="job1/w000/r000/d00000/e",
        unit_input=UnitInput(
            embed=EmbedInput(
                shard=store.refer("shards/a.tar", rows=0, role="shard"),
                shard_index=store.refer("shards/a.parquet", rows=ROWS, role="shard_index"),
            )
        ),
        rows=ROWS,
    )
    pin = BundlePin(name=bundle.name, digest=bundle.digest, dimensions=bundle.dimensions)
    spec = JobSpec(job_id="job1", bundle=pin, image=ImageRules(skip_reencode=foreign))
    return new_context(task, spec, store, folder)


def embeddings(store: MemoryStore) -> list[bytes]:
    return [data for key, data in sorted(store.objects.items()) if key.endswith(".npy")]


def test_threads_children_and_isolation_give_the_same_bytes(
    tmp_path: Path, handler: EmbedHandler, bundle: Bundle
) -> None:
    found = []
    for foreign, isolated in ((False, False), (True, False), (False, True)):
        store = MemoryStore()
        unit = context(store, bundle, tmp_path, foreign=foreign)
        result = handler.handle(replace(unit, isolated=isolated))
        assert {ref.rows for ref in result.outputs} == {ROWS}
        found.append(embeddings(store))
    own, children, alone = found
    assert own == children
    for rows, others in zip(own, alone, strict=True):
        values, other_values = (np.frombuffer(data[128:], "<f2").astype(float) for data in (rows, others))
        assert np.allclose(values, other_values, atol=2e-3)


def test_a8_the_self_test_asks_the_bundle_its_known_questions(
    tmp_path: Path, handler: EmbedHandler, bundle: Bundle
) -> None:
    handler.self_test()
    folder = Path(shutil.copytree(bundle.folder, tmp_path / "spoiled"))
    other = random_bundle(tmp_path / "other", seed=2)
    shutil.copy(other.path("image.onnx"), folder / "image.onnx")
    spoiled = write_bundle(folder, bundle.card)
    with pytest.raises(BundleCheckError, match="image tower: its answers differ"):
        EmbedHandler(embed_parts(InferenceConfig(bundle=folder), spoiled)).self_test()


def test_calls_of_the_model_are_measured(tmp_path: Path, bundle: Bundle) -> None:
    registry = CollectorRegistry()
    config = InferenceConfig(bundle=bundle.folder, block_rows=4)
    handler = EmbedHandler(embed_parts(config, bundle, InferenceMetrics(registry)))
    handler.handle(context(MemoryStore(), bundle, tmp_path))
    handler.close()
    for tower in ("image", "text"):
        assert registry.get_sample_value("pairmill_inference_rows_total", {"model": tower}) == ROWS
        calls = registry.get_sample_value("pairmill_inference_duration_seconds_count", {"model": tower})
        assert calls == 3
