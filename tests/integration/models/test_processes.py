"""Inference and scorer as processes over a bundle, the embedded bus and a directory."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pairmill_models.bundle import Bundle
from pairmill_models.heads import OnnxHeads
from pairmill_models.onnx_embedder import OnnxEmbedder
from tests.fakes.model_stack import Stack, environment, model_stack, process
from tests.fakes.onnx_bundle import random_bundle

STAGES = ("inference", "scorer")


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return random_bundle(tmp_path / "bundle")


@pytest.fixture
def stack(tmp_path: Path, bundle: Bundle) -> Iterator[Stack]:
    with model_stack(tmp_path, bundle) as stack:
        yield stack


def test_a_shard_becomes_embeddings_and_scores(tmp_path: Path, stack: Stack, bundle: Bundle) -> None:
    stack.publish_embed_unit()
    with ExitStack() as running:
        children = [running.enter_context(process(stage, environment(tmp_path, stage))) for stage in STAGES]
        embedded, scored = stack.wait_for_units(2, *children)
        for child in children:
            child.send_signal(signal.SIGTERM)
        assert [child.wait(30) for child in children] == [0, 0]
    images = np.load(stack.output(embedded, "image_embeddings"))
    texts = np.load(stack.output(embedded, "text_embeddings"))
    metadata = pq.read_table(stack.output(embedded, "embedding_metadata"))
    assert set(metadata["model_version"].to_pylist()) == {bundle.model_version}
    captions = [str(caption) for caption in metadata["caption"].to_pylist()]
    wanted = OnnxEmbedder(bundle).embed_texts(captions)
    assert np.allclose(texts, wanted, atol=1e-3)
    scores = pq.read_table(stack.output(scored, "scores"))
    order = np.argsort(metadata["sample_id"].to_numpy())
    rows = images.astype(np.float32)[order], texts.astype(np.float32)[order]
    for name, values in OnnxHeads(bundle).score(*rows).items():
        assert np.allclose(scores[name].to_numpy(), values, atol=1e-5)
    assert scores.num_rows == 9


@pytest.mark.parametrize("stage", STAGES)
def test_a_flipped_byte_in_the_bundle_ends_with_2(tmp_path: Path, bundle: Bundle, stage: str) -> None:
    path = bundle.folder / "text.onnx"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with process(stage, environment(tmp_path, stage)) as child:
        _, errors = child.communicate(timeout=60)
    assert child.returncode == 2
    assert "text.onnx has" in errors
    assert "copy or export the bundle again" in errors
    assert "text.onnx has" in (tmp_path / "reason").read_text()


@pytest.mark.parametrize("stage", STAGES)
def test_what_is_missing_in_the_environment_is_named(tmp_path: Path, stage: str) -> None:
    env = environment(tmp_path, stage)
    del env["PAIRMILL_BUNDLE"], env["PAIRMILL_MEMBER"]
    with process(stage, env) as child:
        _, errors = child.communicate(timeout=60)
    assert child.returncode == 2
    assert "PAIRMILL_BUNDLE" in errors
    assert "PAIRMILL_MEMBER" in errors
