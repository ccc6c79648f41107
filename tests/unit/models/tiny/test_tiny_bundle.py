"""The committed bundle does what its README says, as the pipeline runs it."""

from __future__ import annotations

import numpy as np
import pytest

from pairmill_models.bundle import Bundle, load_bundle
from pairmill_models.check import check_bundle
from pairmill_models.heads import OnnxHeads
from pairmill_models.known import as_stored
from pairmill_models.onnx_embedder import OnnxEmbedder
from pairmill_models.tiny import bundle_path
from pairmill_models.tiny.evaluate import Figures, examine
from pairmill_models.tiny.examples import held_out_examples
from pairmill_models.tiny.scenes import LANGUAGES, caption_of

MOST_BYTES = 8_000_000


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(bundle_path())


@pytest.fixture(scope="module")
def embedder(bundle: Bundle) -> OnnxEmbedder:
    return OnnxEmbedder(bundle)


@pytest.fixture(scope="module")
def figures(bundle: Bundle, embedder: OnnxEmbedder) -> Figures:
    return examine(embedder, OnnxHeads(bundle), count=400, seed=77)


def test_the_bundle_is_small_and_passes_its_own_check(bundle: Bundle, embedder: OnnxEmbedder) -> None:
    assert sum(facts.bytes for facts in bundle.files.values()) <= MOST_BYTES
    check_bundle(bundle, embedder, OnnxHeads(bundle))


def test_captions_find_their_pictures(figures: Figures) -> None:
    assert set(figures.top1) == set(LANGUAGES)
    assert figures.top1["en"] >= 0.9
    assert min(figures.top1.values()) >= 0.8


@pytest.mark.parametrize("score", ["unsafe_score", "watermark_score", "aesthetic_score", "toxicity"])
def test_heads_rank_held_out_scenes(figures: Figures, score: str) -> None:
    assert figures.auc[score] >= 0.95


def test_the_similarity_threshold_lies_between_pairs_and_strangers(bundle: Bundle, figures: Figures) -> None:
    threshold = bundle.thresholds.min_similarity["*"]
    assert min(figures.matched.values()) > threshold + 0.01
    assert max(figures.strange.values()) < threshold - 0.01


def test_padding_and_neighbours_change_nothing(embedder: OnnxEmbedder) -> None:
    examples = held_out_examples(3, 20, marked=True)
    texts = [
        caption_of(example.scene, language, place)
        for place, example in enumerate(examples)
        for language in LANGUAGES
    ]
    together = embedder.embed_texts(texts)
    alone = np.concatenate([embedder.embed_texts([text]) for text in texts])
    assert np.abs(together - alone).max() < 1e-4
    pictures = np.stack([example.pixels for example in examples])
    alone = np.concatenate([embedder.embed_images(pictures[row : row + 1]) for row in range(len(pictures))])
    assert np.abs(embedder.embed_images(pictures) - alone).max() < 1e-4


@pytest.mark.parametrize("text", ["", " ", "\ud83d", "a" * 100_000, "<pad><begin><end>", "שלום 123 \x00"])
def test_any_text_has_an_embedding(embedder: OnnxEmbedder, text: str) -> None:
    (row,) = as_stored(embedder.embed_texts([text]))
    assert np.linalg.norm(row) == pytest.approx(1, abs=1e-2)


def test_any_picture_has_an_embedding(embedder: OnnxEmbedder) -> None:
    side = embedder.image_size
    pictures = np.stack([np.full((side, side, 3), level, np.uint8) for level in (0, 128, 255)])
    assert np.linalg.norm(embedder.embed_images(pictures), axis=1) == pytest.approx(np.ones(3), abs=1e-3)
