"""An embedder without a model: fixed random projections, deterministic, and with faults on demand."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]

DEADLY_TEXT = "this text kills the process"
SLOW_TEXT = "this text never gets done"


@dataclass(kw_only=True)
class FakeEmbedder:
    """Image embeddings are a projection of the pixels, text embeddings a sum over words.

    A black picture has no direction and gives zeros. `spoil_images` and `spoil_texts` may replace an
    answer, or raise instead.
    """

    dimensions: int = 16
    image_size: int = 8
    model_version: str = "fake-1"
    spoil_images: Callable[[Pixels, Floats], Floats] = lambda images, answer: answer
    spoil_texts: Callable[[Sequence[str], Floats], Floats] = lambda texts, answer: answer
    image_batches: list[int] = field(default_factory=list)
    text_batches: list[int] = field(default_factory=list)

    def embed_images(self, images: Pixels) -> Floats:
        """Returns (n, dim) float32 for (n, size, size, 3) uint8."""
        self.image_batches.append(len(images))
        flat = images.reshape(len(images), self.image_size**2 * 3).astype(np.float64)
        answer = _unit(flat @ _projection(flat.shape[1], self.dimensions))
        return self.spoil_images(images, answer)

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        """Returns (n, dim) float32."""
        self.text_batches.append(len(texts))
        if DEADLY_TEXT in texts:
            os.kill(os.getpid(), signal.SIGKILL)
        if SLOW_TEXT in texts:
            threading.Event().wait()
        rows = [self._text(text) for text in texts]
        answer = _unit(np.stack(rows)) if rows else np.zeros((0, self.dimensions), dtype=np.float32)
        return self.spoil_texts(texts, answer)

    def ping(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""

    def _text(self, text: str) -> npt.NDArray[np.float64]:
        words = ["", *text.lower().split()]
        return np.asarray(np.sum([_word(word, self.dimensions) for word in words], axis=0))


def _unit(vectors: npt.NDArray[np.float64]) -> Floats:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return np.asarray(units, dtype=np.float32)


def _projection(inputs: int, dimensions: int) -> npt.NDArray[np.float64]:
    return np.random.default_rng(dimensions).standard_normal((inputs, dimensions))


def _word(word: str, dimensions: int) -> npt.NDArray[np.float64]:
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
    return np.random.default_rng(seed).standard_normal(dimensions)
