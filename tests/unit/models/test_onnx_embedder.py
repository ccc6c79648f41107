"""How texts are grouped for the model, and what happens to a batch that it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairmill_models.assemble import assemble_bundle
from pairmill_models.bundle import Bundle, TextTower
from pairmill_models.embedder import ModelError
from pairmill_models.heads import OnnxHeads
from pairmill_models.onnx_embedder import OnnxEmbedder
from pairmill_models.text_batches import groups_of_like_length
from tests.fakes.onnx_bundle import CONTEXT, PAD, random_bundle, random_card, write_model

TEXTS = ["a", "a few words", "", "x" * 500, "Ünïcödé", "two\nlines"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return random_bundle(tmp_path_factory.mktemp("bundle"))


@given(st.lists(st.integers(min_value=2, max_value=77), max_size=300))
def test_every_text_is_in_one_group_with_texts_of_like_length(lengths: list[int]) -> None:
    groups = list(groups_of_like_length(lengths, most_texts=64, most_tokens=512))
    assert sorted(place for group in groups for place in group) == list(range(len(lengths)))
    for group in groups:
        of_group = [lengths[place] for place in group]
        assert 1 <= len(group) <= 64
        assert max(of_group) - min(of_group) < 8
        assert len(group) * max(of_group) <= 512  # so much memory, however long the texts


def test_a_tower_whose_answer_depends_on_padding_gets_all_of_it(bundle: Bundle, tmp_path: Path) -> None:
    """The random tower masks padding, so both ways have to agree."""
    write_model(tmp_path)
    tower = TextTower(context_length=CONTEXT, pad_id=PAD, cut_padding=False)
    padded = assemble_bundle(tmp_path, random_card(text=(tower,)))
    answer = OnnxEmbedder(padded).embed_texts(TEXTS)
    assert np.allclose(answer, OnnxEmbedder(bundle).embed_texts(TEXTS), atol=1e-5)


def test_the_same_batch_gives_the_same_bits(bundle: Bundle) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    one, other = OnnxEmbedder(bundle), OnnxEmbedder(bundle)
    assert np.array_equal(one.embed_images(images), other.embed_images(images))
    assert np.array_equal(one.embed_texts(TEXTS), other.embed_texts(TEXTS))


def test_more_threads_give_the_same_answer(bundle: Bundle) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    one, two = OnnxEmbedder(bundle, threads=1), OnnxEmbedder(bundle, threads=2)
    assert np.allclose(one.embed_images(images), two.embed_images(images), atol=1e-6)


def test_f4_pictures_of_another_size_are_refused_as_the_batch_s_fault(bundle: Bundle) -> None:
    with pytest.raises(ModelError, match="onnxruntime"):
        OnnxEmbedder(bundle).embed_images(np.zeros((2, 9, 8, 3), dtype=np.uint8))
    with pytest.raises(ModelError, match="onnxruntime"):
        OnnxEmbedder(bundle).embed_images(np.zeros((2, 8, 8, 3), dtype=np.float32))


def test_embeddings_of_another_width_are_refused_by_heads(bundle: Bundle) -> None:
    narrow = np.zeros((3, 8), dtype=np.float32)
    with pytest.raises(ModelError, match="onnxruntime"):
        OnnxHeads(bundle).score(narrow, narrow)


def test_heads_look_at_the_embedding_that_they_name(bundle: Bundle) -> None:
    draw = np.random.default_rng(3)
    images, texts = draw.standard_normal((2, 5, 16)).astype(np.float32)
    straight, exchanged = OnnxHeads(bundle).score(images, texts), OnnxHeads(bundle).score(images, images)
    assert set(straight) == {"unsafe_score", "watermark_score", "aesthetic_score", "toxicity"}
    assert all(scores.shape == (5,) and scores.dtype == np.float32 for scores in straight.values())
    assert np.array_equal(straight["unsafe_score"], exchanged["unsafe_score"])
    assert not np.array_equal(straight["toxicity"], exchanged["toxicity"])


def test_heads_take_batches_of_any_size(bundle: Bundle) -> None:
    rows = np.random.default_rng(3).standard_normal((5000, 16)).astype(np.float32)
    heads = OnnxHeads(bundle)
    whole = heads.score(rows, rows)
    assert np.allclose(heads.score(rows[7:9], rows[7:9])["toxicity"], whole["toxicity"][7:9], atol=1e-6)
    assert heads.score(rows[:0], rows[:0])["toxicity"].shape == (0,)


def test_it_is_what_its_bundle_says(bundle: Bundle) -> None:
    embedder = OnnxEmbedder(bundle)
    assert (embedder.dimensions, embedder.image_size) == (bundle.dimensions, bundle.image_size)
    assert embedder.model_version == bundle.model_version
    renamed = replace(bundle, card=replace(bundle.card, revision="r9"))
    assert OnnxEmbedder(renamed).model_version.startswith("r9+")
