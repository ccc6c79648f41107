"""What every embedder promises, whatever runs the model. Subclasses give the embedder."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pytest

from pairmill_models.embedder import Embedder
from tests.fakes.shard import drawn_picture

TOLERANCE: Final = 1e-5

TEXTS: Final = (
    "a red circle",
    "two blue squares on a green background",
    "ein gelber Stern",
    "",
    " ".join(["a very long description of a picture with many shapes in it"] * 40),
    "日本の山",
    "x",
    "a sign 🚧 with an emoji",
)


def pictures(embedder: Embedder, count: int = 8) -> npt.NDArray[np.uint8]:
    """Returns (count, size, size, 3) different pictures."""
    size = embedder.image_size
    return np.stack([drawn_picture(number, size, size) for number in range(count)])


class EmbedderContract:
    """Run by pytest for each subclass, which has to override the fixture `embedder`."""

    @pytest.fixture
    def embedder(self) -> Embedder:
        raise NotImplementedError

    def test_answers_are_float32_rows_of_the_stated_width(self, embedder: Embedder) -> None:
        for answer in (embedder.embed_images(pictures(embedder)), embedder.embed_texts(TEXTS)):
            assert answer.dtype == np.float32
            assert answer.shape == (8, embedder.dimensions)

    def test_rows_have_unit_length(self, embedder: Embedder) -> None:
        for answer in (embedder.embed_images(pictures(embedder)), embedder.embed_texts(TEXTS)):
            assert np.allclose(np.linalg.norm(answer, axis=1), 1, atol=1e-4)

    def test_f8_a_permuted_batch_gives_the_permuted_answer(self, embedder: Embedder) -> None:
        order = np.random.default_rng(2).permutation(8)
        images = pictures(embedder)
        straight, mixed = embedder.embed_images(images), embedder.embed_images(images[order])
        assert np.allclose(mixed, straight[order], atol=TOLERANCE)
        straight = embedder.embed_texts(TEXTS)
        mixed = embedder.embed_texts([TEXTS[place] for place in order])
        assert np.allclose(mixed, straight[order], atol=TOLERANCE)

    def test_different_rows_have_different_answers(self, embedder: Embedder) -> None:
        for answer in (embedder.embed_images(pictures(embedder)), embedder.embed_texts(TEXTS)):
            distances = np.linalg.norm(answer[:, None] - answer[None, :], axis=2)
            assert (distances[~np.eye(8, dtype=bool)] > 1e-4).all()

    def test_a_batch_of_one_equals_a_batch_of_many(self, embedder: Embedder) -> None:
        images = pictures(embedder)
        alone = np.concatenate([embedder.embed_images(images[row : row + 1]) for row in range(8)])
        assert np.allclose(alone, embedder.embed_images(images), atol=TOLERANCE)
        alone = np.concatenate([embedder.embed_texts([text]) for text in TEXTS])
        assert np.allclose(alone, embedder.embed_texts(TEXTS), atol=TOLERANCE)

    def test_a_large_batch_equals_its_parts(self, embedder: Embedder) -> None:
        texts = [f"picture number {number} " + "of many " * (number % 7) for number in range(150)]
        parts = np.concatenate([embedder.embed_texts(texts[:64]), embedder.embed_texts(texts[64:])])
        assert np.allclose(embedder.embed_texts(texts), parts, atol=TOLERANCE)

    def test_the_length_of_its_neighbours_does_not_change_a_text(self, embedder: Embedder) -> None:
        beside_short = embedder.embed_texts(["a red circle", "x"])[0]
        beside_long = embedder.embed_texts(["a red circle", TEXTS[4]])[0]
        assert np.allclose(beside_short, beside_long, atol=TOLERANCE)

    def test_no_rows_give_no_rows(self, embedder: Embedder) -> None:
        size = embedder.image_size
        nothing = np.zeros((0, size, size, 3), dtype=np.uint8)
        assert embedder.embed_images(nothing).shape == (0, embedder.dimensions)
        assert embedder.embed_texts([]).shape == (0, embedder.dimensions)
        assert embedder.embed_texts([]).dtype == np.float32

    def test_f5_an_odd_row_does_not_change_its_neighbours(self, embedder: Embedder) -> None:
        images = pictures(embedder)
        clean = embedder.embed_images(images)
        images[3] = 0
        assert np.allclose(
            np.delete(embedder.embed_images(images), 3, 0), np.delete(clean, 3, 0), atol=TOLERANCE
        )
        texts = list(TEXTS)
        texts[3] = "\x00\ufffd" * 3000
        clean = embedder.embed_texts(TEXTS)
        assert np.allclose(
            np.delete(embedder.embed_texts(texts), 3, 0), np.delete(clean, 3, 0), atol=TOLERANCE
        )

    def test_inputs_are_left_as_they_are(self, embedder: Embedder) -> None:
        images, texts = pictures(embedder), list(TEXTS)
        before = images.copy()
        embedder.embed_images(images)
        embedder.embed_texts(texts)
        assert np.array_equal(images, before)
        assert texts == list(TEXTS)

    def test_f6_it_says_what_it_is(self, embedder: Embedder) -> None:
        assert embedder.model_version
        assert embedder.dimensions > 0
        assert embedder.image_size > 0
