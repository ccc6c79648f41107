"""A model that sees what `FakePainter` draws: the mean colours of blocks, and a text's scene number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from pairmill_synthweb.truth.thresholds import TrueScores
from tests.fakes.painter import BLOCKS, TOXIC_WORD, grid_of

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

SIDE: Final = 8 * BLOCKS
"""Side of the squares that it takes."""

_NUMBER: Final = re.compile(r"\d+")


@dataclass(kw_only=True)
class DrawnModel:
    """Similarity is the correlation of block colours; unsafe and watermark look at a corner.

    `unsure` are texts, or parts of them, whose toxicity lies exactly at 0.5.
    """

    unsure: set[str] = field(default_factory=set)
    pictures_seen: int = 0
    texts_read: int = 0

    def images(self, squares: Sequence[Pixels]) -> Floats:
        """Returns (n, blocks * 3 + 1); the last number means nothing."""
        self.pictures_seen += len(squares)
        return np.stack([_with_flag(_means(square), 0.0) for square in squares])

    def texts(self, texts: Sequence[str]) -> Floats:
        """Returns (n, blocks * 3 + 1); the last number is the toxicity."""
        self.texts_read += len(texts)
        return np.stack([_with_flag(_named(text), self._toxicity(text)) for text in texts])

    def scores(self, images: Floats, texts: Floats) -> list[TrueScores]:
        """Returns the scores of row-aligned pairs."""
        return [_scores(image, text) for image, text in zip(images, texts, strict=True)]

    def _toxicity(self, text: str) -> float:
        if any(part in text for part in self.unsure):
            return 0.5
        return 0.9 if TOXIC_WORD in text else 0.1


def _scores(image: Floats, text: Floats) -> TrueScores:
    return TrueScores(
        similarity=float(np.corrcoef(image[:-1], text[:-1])[0, 1]),
        unsafe=0.9 if image[:3].min() > 240 else 0.1,
        watermark=0.9 if image[-4:-1].max() < 20 else 0.1,
        toxicity=float(text[-1]),
        aesthetic=None,
    )


def _means(square: Pixels) -> Floats:
    size = len(square) // BLOCKS
    blocks = square.reshape(BLOCKS, size, BLOCKS, size, 3).mean(axis=(1, 3))
    return np.asarray(blocks.ravel(), dtype=np.float32)


def _named(text: str) -> Floats:
    found = _NUMBER.search(text)
    return np.asarray(grid_of(int(found.group()) if found else 0).ravel(), dtype=np.float32)


def _with_flag(vector: Floats, flag: float) -> Floats:
    return np.append(vector, np.float32(flag)).astype(np.float32)
