"""A bundle's check passes for its own model and names what is wrong with any other."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pairmill.errors import ConfigurationError
from pairmill_models.assemble import assemble_bundle
from pairmill_models.bundle import Bundle, write_bundle
from pairmill_models.check import BundleCheck, BundleCheckError, check_bundle
from pairmill_models.embedder import Floats, Pixels
from pairmill_models.heads import OnnxHeads
from pairmill_models.known import KNOWN_NAME, KnownAnswers, known_pictures
from pairmill_models.onnx_embedder import OnnxEmbedder
from tests.fakes.onnx_bundle import HEADS, random_bundle, random_card, write_model


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return random_bundle(tmp_path_factory.mktemp("bundle"))


@dataclass(kw_only=True)
class Changed:
    """An embedder whose answers are changed on their way."""

    inner: OnnxEmbedder
    change_images: Callable[[Floats], Floats] = lambda answer: answer
    change_texts: Callable[[Floats], Floats] = lambda answer: answer
    dimensions: int = 16
    image_size: int = 8
    model_version: str = ""

    def __post_init__(self) -> None:
        self.model_version = self.model_version or self.inner.model_version

    def embed_images(self, images: Pixels) -> Floats:
        return self.change_images(self.inner.embed_images(images))

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        return self.change_texts(self.inner.embed_texts(texts))

    def ping(self) -> None:
        self.inner.ping()

    def close(self) -> None:
        self.inner.close()


@dataclass
class ChangedHeads:
    """Heads whose scores are changed on their way."""

    inner: OnnxHeads
    change: Callable[[dict[str, Floats]], Mapping[str, Floats]]

    def score(self, images: Floats, texts: Floats) -> Mapping[str, Floats]:
        return self.change(dict(self.inner.score(images, texts)))


def test_a_bundle_passes_its_own_check(bundle: Bundle) -> None:
    check_bundle(bundle, OnnxEmbedder(bundle), OnnxHeads(bundle))


def nan_in_one(answer: Floats) -> Floats:
    answer = answer.copy()
    answer[1, 3] = np.nan
    return answer


@pytest.mark.parametrize("tower", ["image", "text"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda answer: answer[:, :8], r"it gives float32 \(6, 8\)"),
        (lambda answer: answer[:-1], r"it gives float32 \(5, 16\)"),
        (lambda answer: answer.astype(np.float64), "it gives float64"),
        (lambda answer: answer[::-1], "differ from the known ones"),
        (lambda answer: answer * np.float32(1.1), "lengths of its rows are off 1 by 0.1"),
        (nan_in_one, "are not finite"),
    ],
    ids=["narrow", "short", "wide-type", "permuted", "long", "nan"],
)
def test_f4_another_answer_is_found(
    bundle: Bundle, tower: str, change: Callable[[Floats], Floats], words: str
) -> None:
    options: dict[str, Any] = {f"change_{tower}s": change}
    changed = Changed(inner=OnnxEmbedder(bundle), **options)
    with pytest.raises(BundleCheckError, match=f"{tower} tower: .*{words}"):
        BundleCheck(bundle).check_embedder(changed)


def test_f4_f6_another_model_is_found(bundle: Bundle, tmp_path: Path) -> None:
    other = random_bundle(tmp_path, seed=2)
    with pytest.raises(BundleCheckError) as caught:
        check_bundle(bundle, OnnxEmbedder(other), OnnxHeads(bundle))
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert other.model_version in lines[0]
    assert bundle.model_version in lines[0]
    with pytest.raises(BundleCheckError, match="head unsafe_score"):
        check_bundle(bundle, OnnxEmbedder(bundle), OnnxHeads(other))


def test_what_machines_differ_by_is_accepted(bundle: Bundle) -> None:
    changed = Changed(
        inner=OnnxEmbedder(bundle),
        change_images=lambda answer: answer + np.float32(1e-5),
        change_texts=lambda answer: answer - np.float32(1e-5),
    )
    BundleCheck(bundle).check_embedder(changed)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda scores: {**scores, "toxicity": scores["toxicity"] + 0.01}, "head toxicity: .*0.01"),
        (lambda scores: {**scores, "toxicity": scores["toxicity"] * np.nan}, "head toxicity"),
        (lambda scores: {"toxicity": scores["toxicity"]}, "heads: toxicity answer"),
        (lambda scores: {}, "heads: none answer"),
    ],
    ids=["shifted", "nan", "missing", "none"],
)
def test_heads_that_answer_otherwise_are_found(bundle: Bundle, change: Any, words: str) -> None:
    with pytest.raises(BundleCheckError, match=words):
        BundleCheck(bundle).check_heads(ChangedHeads(OnnxHeads(bundle), change))


def test_a_bundle_without_heads_needs_none(tmp_path: Path) -> None:
    bare = random_bundle(tmp_path, heads=())
    check_bundle(bare, OnnxEmbedder(bare), OnnxHeads(bare))
    nothing = np.zeros((3, 16), dtype=np.float32)
    assert dict(OnnxHeads(bare).score(nothing, nothing)) == {}


def test_a_bundle_without_known_answers_cannot_be_checked(tmp_path: Path) -> None:
    write_model(tmp_path)
    bare = write_bundle(tmp_path, random_card())
    with pytest.raises(BundleCheckError, match="no known answers"):
        BundleCheck(bare)


def test_known_answers_survive_their_file(tmp_path: Path) -> None:
    known = KnownAnswers(
        images=known_pictures(8, 3),
        texts=["a", "日本", "two words"],
        image_embeddings=np.eye(3, 16, dtype=np.float32),
        text_embeddings=np.eye(3, 16, 1, dtype=np.float32),
        scores={"toxicity": np.array([0, 0.5, 1], dtype=np.float32)},
    )
    known.save(tmp_path / KNOWN_NAME)
    first = (tmp_path / KNOWN_NAME).read_bytes()
    known.save(tmp_path / KNOWN_NAME)
    assert (tmp_path / KNOWN_NAME).read_bytes() == first
    loaded = KnownAnswers.load(tmp_path / KNOWN_NAME)
    assert list(loaded.texts) == list(known.texts)
    assert np.array_equal(loaded.images, known.images)
    assert np.array_equal(loaded.text_embeddings, known.text_embeddings)
    assert np.array_equal(loaded.scores["toxicity"], known.scores["toxicity"])


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x93NUMPY"], ids=["empty", "nonsense", "array"])
def test_a_file_that_holds_no_known_answers_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / KNOWN_NAME).write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"known\.npz"):
        KnownAnswers.load(tmp_path / KNOWN_NAME)


def test_known_pictures_differ_from_each_other() -> None:
    pictures = known_pictures(32)
    assert pictures.dtype == np.uint8
    flat = pictures.reshape(len(pictures), -1).astype(int)
    distances = np.abs(flat[:, None] - flat[None]).mean(axis=2)
    assert (distances[~np.eye(len(flat), dtype=bool)] > 5).all()


def test_a_folder_with_strange_files_gives_no_bundle(tmp_path: Path) -> None:
    write_model(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ConfigurationError, match=r"notes\.txt: no part of it"):
        assemble_bundle(tmp_path, random_card())


@pytest.mark.parametrize("name", ["image.onnx", "text.onnx", "heads/unsafe.onnx", "tokenizer.json"])
def test_a_model_that_does_not_load_gives_no_bundle(tmp_path: Path, name: str) -> None:
    write_model(tmp_path)
    (tmp_path / name).write_bytes(b"no model")
    with pytest.raises(ConfigurationError, match=name):
        assemble_bundle(tmp_path, random_card())


def test_towers_that_are_exchanged_give_no_bundle(tmp_path: Path) -> None:
    write_model(tmp_path)
    shutil.copy(tmp_path / "image.onnx", tmp_path / "text.onnx")
    with pytest.raises(ConfigurationError, match="its inputs are pixels; exactly tokens is wanted"):
        assemble_bundle(tmp_path, random_card())


def test_a_card_with_another_width_than_the_model_gives_no_bundle(tmp_path: Path) -> None:
    write_model(tmp_path)
    with pytest.raises(BundleCheckError, match=r"float32 \(6, 8\) is wanted"):
        assemble_bundle(tmp_path, random_card(dimensions=8))


def test_a_bundle_is_assembled_anew_over_an_old_one(tmp_path: Path) -> None:
    first = random_bundle(tmp_path)
    card = replace(random_card(HEADS), revision="r2")
    second = assemble_bundle(tmp_path, card)
    assert second.digest != first.digest
    assert {name: facts for name, facts in second.files.items() if name != KNOWN_NAME} == {
        name: facts for name, facts in first.files.items() if name != KNOWN_NAME
    }
