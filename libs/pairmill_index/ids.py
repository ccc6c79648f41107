"""Sorted sample ids of a segment, mapped, and how they are found.

The file holds `(2, rows) <u8`: first the high words of all ids, then the low ones. So both columns are
contiguous, and a binary search reads only what it looks at.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pairmill.errors import CorruptObjectError
from pairmill.idarrays import Positions, Words, find
from pairmill_index.mapped import map_array


def map_ids(path: Path, rows: int) -> Words:
    """Returns a segment's ids, `(rows, 2) uint64`, mapped; raises CorruptObjectError for another shape."""
    stored = map_array(path)
    if stored.dtype != np.dtype("<u8") or stored.shape != (2, rows):
        raise CorruptObjectError(f"{path.name} holds {stored.dtype.str} {stored.shape}, not <u8 (2, {rows})")
    return stored.T


def find_rows(ids: Words, wanted: Words) -> Positions:
    """Returns the row of each wanted id, `(n, 2) uint64`, or -1."""
    if not len(ids) or not len(wanted):
        return np.full(len(wanted), -1, dtype=np.int64)
    return find(ids, wanted)
