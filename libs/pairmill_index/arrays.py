"""The arrays that go in and out of searches."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Halves: TypeAlias = npt.NDArray[np.float16]
Floats: TypeAlias = npt.NDArray[np.float32]
Rows: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Found: TypeAlias = tuple[Floats, Rows]  # cosines and rows of each query, `(q, k)`, best first

NO_ROW: Final = -1
"""Stands where fewer rows were found than asked for; its score is -inf."""
