"""The candidate file of a WAT: sorted by (bucket, url_id, sample_id), row groups cut at ranges (U6, U7)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.idarrays import Positions, ascending, words_of
from pairmill.ids import BUCKETS
from pairmill.schemas import CANDIDATES, versioned
from pairmill.spill import PartitionSpill
from pairmill.units import first_bucket_of_range, range_of_bucket

GROUP_ROWS: Final = 32_768
PIECE_ROWS: Final = 8_192
MAX_ROWS_IN_MEMORY: Final = 32_768
MAX_BYTES_IN_MEMORY: Final = 16 * 2**20
_CELL_BUCKETS: Final = 64


class CandidateFile:
    """Takes candidates in any order and writes them sorted; memory is bounded, the rest lies in `folder`.

    Rows are sorted cell by cell: a cell is a run of buckets that lies within one range.
    """

    def __init__(self, folder: Path, ranges: int, *, max_rows: int = MAX_ROWS_IN_MEMORY) -> None:
        self._ranges = ranges
        starts = {first_bucket_of_range(index, ranges) for index in range(ranges)}
        self._cells = np.array(sorted(starts | set(range(0, BUCKETS, _CELL_BUCKETS))), dtype=np.int32)
        self._spill = PartitionSpill(folder, CANDIDATES, max_rows=max_rows, max_bytes=MAX_BYTES_IN_MEMORY)
        self.rows = 0

    def add(self, table: pa.Table) -> None:
        """Takes rows in the schema `CANDIDATES`."""
        buckets = table.column("bucket").to_numpy()
        cells = np.searchsorted(self._cells, buckets, side="right") - 1
        self._spill.add(table, cells.astype(np.int32))
        self.rows += len(table)

    def write(self, path: Path) -> None:
        """Writes the file; call it once."""
        with pq.ParquetWriter(
            path,
            versioned(CANDIDATES),
            compression="zstd",
            write_statistics=["bucket"],
            write_page_checksum=True,
            use_dictionary=True,
        ) as writer:
            for group in self._groups():
                writer.write_table(group)
                del group  # before the next one is collected

    def _groups(self) -> Iterator[pa.Table]:
        """Yields row groups: of one range each, and of `GROUP_ROWS` rows at most."""
        held: list[pa.Table] = []
        rows, current = 0, -1
        for cell, table in self._spill.parts():
            index = range_of_bucket(int(self._cells[cell]), self._ranges)
            for part in _in_order(table):
                if held and (index != current or rows + len(part) > GROUP_ROWS):
                    yield _joined(held)
                    rows = 0
                held.append(part)
                rows, current = rows + len(part), index
        if held:
            yield _joined(held)


def _joined(held: list[pa.Table]) -> pa.Table:
    """Returns all tables as one and empties the list, so that whoever has written it can let go of it."""
    table = pa.concat_tables(held)
    held.clear()
    return table


def _in_order(table: pa.Table) -> Iterator[pa.Table]:
    """Yields a table's rows in order, piece by piece: most of it may lie on disk, whatever its size."""
    batches = table.to_batches()
    starts = np.cumsum([0, *(len(batch) for batch in batches)])
    order = _order(table)
    for begin in range(0, len(order), PIECE_ROWS):
        wanted = order[begin : begin + PIECE_ROWS]
        sources = np.searchsorted(starts, wanted, side="right") - 1
        taken, places = [], []
        for source in np.unique(sources):
            inside = np.flatnonzero(sources == source)
            taken.append(batches[source].take(pa.array(wanted[inside] - starts[source], pa.int64())))
            places.append(inside)
        yield pa.Table.from_batches(taken).combine_chunks().take(np.argsort(np.concatenate(places)))


def _order(table: pa.Table) -> Positions:
    return ascending(
        _numbers(table, "bucket"),
        words_of(table.column("url_id").combine_chunks()),
        words_of(table.column("sample_id").combine_chunks()),
        _numbers(table, "wat_offset"),
        _numbers(table, "link_index"),
    )


def _numbers(table: pa.Table, name: str) -> npt.NDArray[np.int64]:
    return table.column(name).to_numpy().astype(np.int64)
