"""Files of an index as mapped arrays and tables."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill.errors import CorruptObjectError
from pairmill_index.columns import SAMPLES


def map_array(path: Path) -> npt.NDArray[Any]:
    """Returns an `.npy` file as a mapped array; raises CorruptObjectError if it is none."""
    try:
        return np.lib.format.open_memmap(path, mode="r").view(np.ndarray)
    except (ValueError, OSError, EOFError, OverflowError, TokenError) as error:  # as numpy reads a bad header
        raise CorruptObjectError(f"{path.name} holds no array: {error}") from error


def map_vectors(path: Path, rows: int, dimensions: int) -> npt.NDArray[np.float16]:
    """Returns a segment's vectors, mapped; raises CorruptObjectError for another type or shape."""
    stored = map_array(path)
    if stored.dtype != np.dtype("<f2") or stored.shape != (rows, dimensions):
        raise CorruptObjectError(
            f"{path.name} holds {stored.dtype.str} {stored.shape}, not <f2 ({rows}, {dimensions})"
        )
    return stored


def map_table(path: Path, rows: int) -> pa.Table:
    """Returns a segment's table of samples, mapped; raises CorruptObjectError for other columns or rows."""
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (pa.ArrowException, OSError) as error:
        raise CorruptObjectError(f"{path.name} is no table of samples: {error}") from error
    if not table.schema.equals(SAMPLES) or len(table) != rows:
        raise CorruptObjectError(f"{path.name} does not hold {rows} rows with the columns of this version")
    return table
