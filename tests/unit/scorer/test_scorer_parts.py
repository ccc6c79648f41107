"""Scores over a real bundle: what the single-stage verbs give one after the other."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pairmill_inference.config import InferenceConfig
from pairmill_inference.embed import embed_shards
from pairmill_inference.parts import embed_parts
from pairmill_models.bundle import Bundle, write_bundle
from pairmill_models.check import BundleCheckError
from pairmill_models.onnx_embedder import OnnxEmbedder
from pairmill_scorer.config import ScorerConfig
from pairmill_scorer.handler import ScoreHandler
from pairmill_scorer.parts import score_parts
from pairmill_scorer.score import score_folder
from tests.fakes.onnx_bundle import random_bundle
from tests.fakes.shard import build_shard, row


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return random_bundle(tmp_path_factory.mktemp("bundle"))


def test_shards_are_embedded_and_scored_with_one_bundle(tmp_path: Path, bundle: Bundle) -> None:
    shard = tmp_path / "a.tar"
    shard.write_bytes(build_shard([row(number) for number in range(5)]).tar)
    parts = embed_parts(InferenceConfig(bundle=bundle.folder), bundle)
    summary = embed_shards([shard], parts, tmp_path / "embeddings")
    parts.foreign_decoder.close()
    assert summary.embedded == 5
    scorer = score_parts(ScorerConfig(bundle=bundle.folder), bundle)
    assert score_folder(tmp_path / "embeddings", scorer, tmp_path / "scores.parquet") == 5
    table = pq.read_table(tmp_path / "scores.parquet")
    images = np.load(tmp_path / "embeddings" / "img_emb" / "img_emb_0.npy").astype(float)
    texts = OnnxEmbedder(bundle).embed_texts([str(caption) for caption in table["caption"].to_pylist()])
    assert np.allclose(table["similarity"].to_numpy(), (images * texts).sum(axis=1), atol=2e-3)
    for name in ("unsafe_score", "watermark_score", "aesthetic_score", "toxicity"):
        assert table[name].null_count == 0


def test_a8_the_self_test_asks_the_heads_their_known_questions(tmp_path: Path, bundle: Bundle) -> None:
    ScoreHandler(score_parts(ScorerConfig(bundle=bundle.folder), bundle)).self_test()
    folder = Path(shutil.copytree(bundle.folder, tmp_path / "spoiled"))
    shutil.copy(folder / "heads" / "unsafe.onnx", folder / "heads" / "watermark.onnx")
    spoiled = write_bundle(folder, bundle.card)
    with pytest.raises(BundleCheckError, match="head watermark_score: its answers differ"):
        ScoreHandler(score_parts(ScorerConfig(bundle=folder), spoiled)).self_test()
