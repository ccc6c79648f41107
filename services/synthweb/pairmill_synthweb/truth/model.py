"""The model bundle as the truth asks it: pictures and texts in, scores of pairs out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from pairmill_models.embedder import Embedder, Floats
from pairmill_models.heads import Heads
from pairmill_synthweb.painter import Pixels
from pairmill_synthweb.truth.thresholds import TrueScores

Vector: TypeAlias = npt.NDArray[np.float32]


class Model(Protocol):
    """Gives vectors of pictures and texts, and scores of pairs of them."""

    def images(self, squares: Sequence[Pixels]) -> Floats:
        """Returns (n, dim) as stored."""
        ...

    def texts(self, texts: Sequence[str]) -> Floats:
        """Returns (n, dim) as stored."""
        ...

    def scores(self, images: Floats, texts: Floats) -> list[TrueScores]:
        """Returns the scores of row-aligned pairs."""
        ...


class BundleModel:
    """A model through the ports of its bundle; vectors are rounded as they are stored."""

    def __init__(self, embedder: Embedder, heads: Heads) -> None:
        self._embedder = embedder
        self._heads = heads

    def images(self, squares: Sequence[Pixels]) -> Floats:
        """Returns (n, dim) float32 with the precision of float16."""
        return _rounded(self._embedder.embed_images(np.stack(squares)))

    def texts(self, texts: Sequence[str]) -> Floats:
        """Returns (n, dim) float32 with the precision of float16."""
        return _rounded(self._embedder.embed_texts(texts))

    def scores(self, images: Floats, texts: Floats) -> list[TrueScores]:
        """Returns the scores of row-aligned pairs."""
        heads = self._heads.score(images, texts)
        similarity = np.einsum("ij,ij->i", images.astype(np.float64), texts.astype(np.float64))
        return [
            TrueScores(
                similarity=float(similarity[row]),
                unsafe=_one(heads, "unsafe_score", row),
                watermark=_one(heads, "watermark_score", row),
                toxicity=_one(heads, "toxicity", row),
                aesthetic=_one(heads, "aesthetic_score", row),
            )
            for row in range(len(images))
        ]


def _rounded(vectors: Floats) -> Floats:
    return vectors.astype(np.float16).astype(np.float32)


def _one(heads: Mapping[str, Floats], name: str, row: int) -> float | None:
    return float(heads[name][row]) if name in heads else None
