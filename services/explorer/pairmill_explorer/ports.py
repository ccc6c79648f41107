"""What the explorer needs from outside."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt


class QueryEncoder(Protocol):
    """Turns queries into vectors of one model. Thread-safe.

    Raises RetriableError while the model is away.
    """

    @property
    def dimensions(self) -> int:
        """Length of the vectors."""
        ...

    def text(self, text: str) -> npt.NDArray[np.float32]:
        """Returns the unit vector of a text, `(dimensions,)`; raises NotEmbeddableError if it has none."""
        ...

    def image(self, data: bytes) -> npt.NDArray[np.float32]:
        """Returns the unit vector of an image file, `(dimensions,)`.

        Raises NotEmbeddableError for bytes that are none, or that the model has no vector for.
        """
        ...

    def close(self) -> None:
        """Lets go of the model."""
        ...


class NotEmbeddableError(Exception):
    """A text or bytes that give no vector; says why."""
