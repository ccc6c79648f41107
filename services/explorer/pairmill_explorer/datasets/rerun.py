"""Which candidates were run again by later jobs of a dataset (U16): looked up on scratch disk.

A repair may run millions of candidates again, and every page of what was dropped is compared with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill.errors import CorruptObjectError
from pairmill.idarrays import (
    Flags,
    Words,
    array_of,
    ascending,
    partition_of,
    starts_of_groups,
    words_of,
    words_of_hex,
)
from pairmill.ids import ID_BYTES
from pairmill.spill import PartitionSpill
from pairmill.store.disk import disk_errors
from pairmill_index.ids import find_rows, map_ids
from pairmill_index.mapped import map_array
from pairmill_index.npy import NpyWriter
from pairmill_index.workplace import workplace

_RANGE_ROWS: Final = 250_000  # that are in memory at once, about: ids are hashes
_FIELDS: Final[list[pa.Field[Any]]] = [pa.field("id", pa.binary(ID_BYTES)), pa.field("rank", pa.int16())]
_SCHEMA: Final = pa.schema(_FIELDS)


@dataclass(frozen=True, slots=True)
class Rerun:
    """The ids that were run again, in order and mapped, with the last job that did so."""

    ids: Words  # (n, 2)
    ranks: npt.NDArray[np.int16]  # (n,) places of jobs

    def after(self, rank: int, ids: Words) -> Flags:
        """Returns which of the ids were run again by a job after the one at this place, `(n,)`."""
        places = find_rows(self.ids, ids)
        found = places >= 0
        found[found] = self.ranks[places[found]] > rank
        return found


NOTHING: Final = Rerun(np.empty((0, 2), dtype=np.uint64), np.empty(0, dtype=np.int16))


def rerun_of(batches: Iterable[tuple[pa.RecordBatch, int]], rows: int, scratch: Path) -> Rerun:
    """Returns what jobs ran again, given batches of ids, each with the place of its job, and rows in all.

    What is written to the folder has no name there any more when this returns; what killed processes left
    there goes too.
    """
    ranges = max(1, -(-rows // _RANGE_ROWS))
    with disk_errors("scratch"), workplace(scratch) as folder:
        spill = PartitionSpill(folder, _SCHEMA)
        for batch, rank in batches:
            ids = _ids_of(batch.column(0))
            ranks = np.full(len(ids), rank, dtype=np.int16)
            table = pa.table([array_of(ids), pa.array(ranks)], schema=_SCHEMA)
            spill.add(table, partition_of(ids, ranges))
        return _written(spill, folder)


def _ids_of(column: pa.Array[Any]) -> Words:
    try:
        return words_of_hex(column, ID_BYTES)
    except ValueError as error:
        raise CorruptObjectError(f"sample ids of a repair cannot be read: {error}") from error


def _written(spill: PartitionSpill, folder: Path) -> Rerun:
    """Writes the rows of a spill in order, each id once, and returns them mapped."""
    rows, low_words = 0, folder / "low-words.raw"
    high, ranks = NpyWriter(folder / "ids.npy", "<u8"), NpyWriter(folder / "ranks.npy", "<i2")
    with low_words.open("wb") as low:
        for _, part in spill.parts():
            ids, own = words_of(part["id"].combine_chunks()), part["rank"].to_numpy()
            order = ascending(ids, -own)
            order = order[starts_of_groups(ids[order])]
            high.write(ids[order, 0].astype("<u8").tobytes())
            low.write(ids[order, 1].astype("<u8").tobytes())
            ranks.write(own[order].astype("<i2").tobytes())
            rows += len(order)
    high.append_file(low_words)
    high.close((2, rows))
    ranks.close((rows,))
    return Rerun(map_ids(folder / "ids.npy", rows), map_array(folder / "ranks.npy")) if rows else NOTHING
