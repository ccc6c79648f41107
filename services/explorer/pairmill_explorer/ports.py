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
        """Returns the unit vector of a text, `(dimensions,) float32`."""
        ...

    def image(self, data: bytes) -> npt.NDArray[np.float32]:
        """Returns the unit vector of an image file, `(dimensions,) float32`.

        Raises NotAnImageError for bytes that are none.
        """
        ...

    def close(self) -> None:
        """Lets go of the model."""
        ...


class NotAnImageError(Exception):
    """Bytes that give no picture; says why."""
