"""Both towers of a bundle in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from pairmill_models.bundle import Bundle
from pairmill_models.embedder import Floats, Pixels
from pairmill_models.onnx_session import OnnxGraph
from pairmill_models.tokenizer import TextTokenizer, Tokens

_IMAGES_PER_CALL: Final = 16
_TEXTS_PER_CALL: Final = 64
_TOKENS_PER_CALL: Final = 512  # padding included; what a call needs of memory goes with them
_LENGTH_STEP: Final = 8  # texts of one call differ in length by less than this


class OnnxEmbedder:
    """A bundle's model by onnxruntime. Thread-safe.

    Texts are sorted by length and asked in groups of like length, cut to the longest of each: alt texts
    have about 12 tokens of 77, and the answer is the same.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 1) -> None:
        """Loads both towers; raises ConfigurationError if they are not what a bundle holds."""
        tower = bundle.text_tower
        self._bundle = bundle
        self._images = OnnxGraph(
            bundle.path(bundle.card.image.file), input_name="pixels", output_name="embedding", threads=threads
        )
        self._texts = OnnxGraph(
            bundle.path(tower.file), input_name="tokens", output_name="embedding", threads=threads
        )
        self._tokenizer = TextTokenizer(
            bundle.path(tower.tokenizer), context_length=tower.context_length, pad_id=tower.pad_id
        )
        self._fixed_length = None if tower.cut_padding else tower.context_length

    @property
    def dimensions(self) -> int:
        """Width of the embeddings."""
        return self._bundle.dimensions

    @property
    def image_size(self) -> int:
        """Side of the pictures."""
        return self._bundle.image_size

    @property
    def model_version(self) -> str:
        """Revision and digest of the bundle."""
        return self._bundle.model_version

    def embed_images(self, images: Pixels) -> Floats:
        """Returns (n, dim) float32, rows of unit length, for (n, size, size, 3) uint8 RGB."""
        starts = range(0, len(images), _IMAGES_PER_CALL)
        parts = [self._images.run(images[start : start + _IMAGES_PER_CALL]) for start in starts]
        return np.concatenate(parts) if parts else self._nothing()

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        """Returns (n, dim) float32, rows of unit length."""
        rows = self._tokenizer.encode(texts)
        groups = list(groups_of_like_length([len(row) for row in rows]))
        if not groups:
            return self._nothing()
        answers = [self._texts.run(self._padded([rows[place] for place in group])) for group in groups]
        stacked = np.concatenate(answers)
        ordered = np.empty_like(stacked)
        ordered[[place for group in groups for place in group]] = stacked
        return ordered

    def close(self) -> None:
        """Does nothing: the sessions go with the last reference to them."""

    def _padded(self, rows: Sequence[Sequence[int]]) -> Tokens:
        return self._tokenizer.pad(rows, self._fixed_length)

    def _nothing(self) -> Floats:
        return np.zeros((0, self.dimensions), dtype=np.float32)


def groups_of_like_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yields the places of texts in groups for one call each, shortest first.

    The lengths of a group lie within one step, so that little of what is computed is padding, and long
    texts come in smaller groups: else a process would need twice the memory from its first block of
    long texts on.
    """
    group: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        is_full = len(group) == _TEXTS_PER_CALL or (len(group) + 1) * lengths[place] > _TOKENS_PER_CALL
        if group and (is_full or _step(lengths[place]) > _step(lengths[group[0]])):
            yield group
            group = []
        group.append(place)
    if group:
        yield group


def _step(length: int) -> int:
    return (length - 1) // _LENGTH_STEP
