"""Embed units over a real bundle: the same embeddings whichever way the work is done."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from pairmill_inference.config import InferenceConfig
from pairmill_inference.handler import EmbedHandler
from pairmill_inference.metrics import InferenceMetrics
from pairmill_inference.parts import embed_parts
from pairmill_models.bundle import Bundle, write_bundle
from pairmill_models.check import BundleCheckError
from tests.fakes.embed_units import ROWS, context, embeddings
from tests.fakes.onnx_bundle import random_bundle
from tests.unit.arrays.memory_store import MemoryStore


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return random_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def handler(bundle: Bundle) -> Iterator[EmbedHandler]:
    config = InferenceConfig(bundle=bundle.folder, block_rows=4)
    handler = EmbedHandler(embed_parts(config, bundle))
    yield handler
    handler.close()


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
