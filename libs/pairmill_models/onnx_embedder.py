"""Both towers of a bundle in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from pairmill_models.bundle import Bundle
from pairmill_models.embedder import Floats, Pixels
from pairmill_models.onnx_session import OnnxGraph
from pairmill_models.text_batches import TextBatches, in_order

_IMAGES_PER_CALL: Final = 16
_TEXTS_PER_CALL: Final = 64
_TOKENS_PER_CALL: Final = 512  # padding included; what a call needs of memory goes with them


class OnnxEmbedder:
    """A bundle's model by onnxruntime. Thread-safe."""

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
        self._batches = TextBatches(bundle, most_texts=_TEXTS_PER_CALL, most_tokens=_TOKENS_PER_CALL)

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
        batches = self._batches.cut(texts)
        return in_order(batches, [self._texts.run(batch.tokens) for batch in batches], self.dimensions)

    def ping(self) -> None:
        """Does nothing: what runs in this process is there."""

    def close(self) -> None:
        """Does nothing: the sessions go with the last reference to them."""

    def _nothing(self) -> Floats:
        return np.zeros((0, self.dimensions), dtype=np.float32)
