"""Stored embeddings as arrays that are mapped, not loaded."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pairmill.errors import InvalidRecordError

Halves: TypeAlias = npt.NDArray[np.float16]


def mapped_halves(path: Path) -> Halves:
    """Returns the rows of an `.npy` file; raises InvalidRecordError unless they are `<f2` with two axes."""
    try:
        array: Halves = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, OSError, EOFError, OverflowError, TokenError) as error:  # as numpy reads a bad header
        raise InvalidRecordError(f"{path.name} holds no array: {error}") from error
    if array.dtype != np.dtype("<f2") or array.ndim != 2:
        kind = f"{array.dtype.str} with {array.ndim} axes"
        raise InvalidRecordError(f"{path.name} holds {kind}, not <f2 with two")
    return array
