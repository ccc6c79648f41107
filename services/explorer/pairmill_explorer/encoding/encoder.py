"""Queries to vectors by a bundle's two towers, in process or in a model server."""

from __future__ import annotations

import hashlib
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from pairmill_explorer.caching import ByteCache
from pairmill_explorer.encoding.batches import Batches
from pairmill_explorer.images.children import ImageChildren
from pairmill_explorer.images.work import Refused, ToSquare
from pairmill_explorer.ports import NotEmbeddableError
from pairmill_models.bundle import Bundle, Resize
from pairmill_models.embedder import Embedder, ModelError, Pixels

Vector: TypeAlias = npt.NDArray[np.float32]

_CACHE_BYTES: Final = 16 * 2**20
_OVERHEAD_BYTES: Final = 300


class BundleEncoder:
    """A bundle's model for queries. Thread-safe."""

    def __init__(self, bundle: Bundle, embedder: Embedder, images: ImageChildren) -> None:
        """Takes over the embedder; the children are shared."""
        self._embedder = embedder
        self._images = images
        self._size = bundle.image_size
        self._resize: Resize = bundle.card.image.resize
        self._texts: Batches[str] = Batches(embedder.embed_texts, name="encode-texts")
        self._pictures: Batches[Pixels] = Batches(
            lambda pictures: embedder.embed_images(np.stack(pictures)), name="encode-images"
        )
        self._known: ByteCache[bytes, Vector] = ByteCache(
            _CACHE_BYTES, lambda vector: vector.nbytes + _OVERHEAD_BYTES
        )

    @property
    def dimensions(self) -> int:
        """Length of the vectors."""
        return self._embedder.dimensions

    def text(self, text: str) -> Vector:
        """Returns the unit vector of a text, `(dimensions,)`; raises NotEmbeddableError if it has none."""
        key = _key(b"text", text.encode())
        return self._known.get_or_make(key, lambda: _asked(self._texts, text))

    def image(self, data: bytes) -> Vector:
        """Returns the unit vector of an image file, `(dimensions,)`; raises like `text`."""
        return self._known.get_or_make(
            _key(b"image", data), lambda: _asked(self._pictures, self._picture(data))
        )

    def close(self) -> None:
        """Lets go of the model."""
        self._texts.close()
        self._pictures.close()
        self._embedder.close()

    def _picture(self, data: bytes) -> Pixels:
        answer = self._images.ask(ToSquare(data=data, size=self._size, resize=self._resize))
        if isinstance(answer, Refused):
            raise NotEmbeddableError(answer.why)
        if isinstance(answer, bytes):
            raise TypeError("a child answered another question")
        return answer


def _asked(batches: Batches[str] | Batches[Pixels], item: str | Pixels) -> Vector:
    try:
        vector: Vector = batches.ask(item)  # type: ignore[arg-type]  # each is given its own kind
    except ModelError as error:
        raise NotEmbeddableError(str(error)) from error
    if not (np.isfinite(vector).all() and vector.any()):
        raise NotEmbeddableError("the model has no direction for it")
    return vector


def _key(kind: bytes, data: bytes) -> bytes:
    return kind + hashlib.blake2b(data, digest_size=16).digest()
