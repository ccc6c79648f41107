"""The port to whatever runs a CLIP model: in process, or in a model server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from pairmill.errors import PairmillError

Pixels: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]


class ModelError(PairmillError):
    """The model refused this batch; a smaller one, or one without the culprit, may do (F3, F5)."""


class Embedder(Protocol):
    """Both towers of one model. Thread-safe.

    Row i of an answer belongs to row i of the batch and does not depend on the others, up to 1e-5. A batch
    may have any number of rows, also none. Raises ModelError for a batch that the model refuses and
    RetriableError while the model is away.
    """

    @property
    def dimensions(self) -> int:
        """Width of the embeddings."""
        ...

    @property
    def image_size(self) -> int:
        """Side of the pictures that `embed_images` takes."""
        ...

    @property
    def model_version(self) -> str:
        """What answers now; changes whenever answers may."""
        ...

    def embed_images(self, images: Pixels) -> Floats:
        """Returns (n, dim) float32, rows of unit length, for (n, size, size, 3) uint8 RGB."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        """Returns (n, dim) float32, rows of unit length. Any text will do, whatever it holds."""
        ...

    def ping(self) -> None:
        """Raises RetriableError, saying why, while the model cannot be asked; returns soon."""
        ...

    def close(self) -> None:
        """Lets go of the model; calls under way end soon, with RetriableError if need be."""
        ...
