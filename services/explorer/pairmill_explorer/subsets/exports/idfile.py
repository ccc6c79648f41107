"""Sorted ids as one `npy` of `u8,u8`: digits 1–16 of an id, then 17–32, as DataComp's tools read them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pairmill.idarrays import Words, find
from pairmill_explorer.subsets.exports.sink import HashingFile
from pairmill_explorer.subsets.order import by_id, ids_of, in_order
from pairmill_explorer.subsets.segments import Flags, SegmentRows

IDS: Final = np.dtype("<u8,<u8")


def write_ids(
    file: HashingFile,
    segments: Sequence[SegmentRows],
    chosen: Sequence[Flags],
    count: int,
    without: Words,
) -> None:
    """Writes the ids of chosen rows, ascending, but for those of `without`: `count` are left."""
    file.write(_header(count))
    for window in in_order(segments, chosen, by_id):
        ids = ids_of(segments, window)
        if len(without):
            ids = ids[find(without, ids) < 0]
        file.write(np.ascontiguousarray(ids, dtype="<u8").tobytes())


def read_ids(path: Path) -> npt.NDArray[Any]:
    """Returns the ids of such a file, mapped; ValueError for any other."""
    stored = np.lib.format.open_memmap(path, mode="r")
    if stored.dtype != IDS or stored.ndim != 1:
        raise ValueError(f"{path.name} holds {stored.dtype}, not ids")
    return stored


def words_in(stored: npt.NDArray[Any], step: int) -> Iterator[Words]:
    """Yields stored ids as words, `step` at a time."""
    for start in range(0, len(stored), step):
        part = np.ascontiguousarray(stored[start : start + step])
        yield part.view("<u8").reshape(-1, 2).astype(np.uint64)


def _header(count: int) -> bytes:
    sink = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        sink, {"descr": np.lib.format.dtype_to_descr(IDS), "fortran_order": False, "shape": (count,)}
    )
    return sink.getvalue()
