"""The candidate file of a WAT: sorted by (bucket, url_id, sample_id), row groups cut at ranges (U6, U7)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.idarrays import ascending, words_of
from pairmill.ids import BUCKETS
from pairmill.schemas import CANDIDATES, versioned
from pairmill.spill import PartitionSpill
from pairmill.units import first_bucket_of_range, range_of_bucket

GROUP_ROWS: Final = 65_536
MAX_ROWS_IN_MEMORY: Final = 65_536
MAX_BYTES_IN_MEMORY: Final = 32 * 2**20
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

    def _groups(self) -> Iterator[pa.Table]:
        """Yields row groups: of one range each, and of about `GROUP_ROWS` rows at most."""
        held: list[pa.Table] = []
        rows, current = 0, -1
        for cell, table in self._spill.parts():
            index = range_of_bucket(int(self._cells[cell]), self._ranges)
            if held and (index != current or rows + len(table) > GROUP_ROWS):
                yield pa.concat_tables(held)
                held, rows = [], 0
            held.append(_ordered(table))
            rows, current = rows + len(table), index
        if held:
            yield pa.concat_tables(held)


def _ordered(table: pa.Table) -> pa.Table:
    table = table.combine_chunks()
    order = ascending(
        _numbers(table, "bucket"),
        words_of(table.column("url_id").combine_chunks()),
        words_of(table.column("sample_id").combine_chunks()),
        _numbers(table, "wat_offset"),
        _numbers(table, "link_index"),
    )
    return table.take(order)


def _numbers(table: pa.Table, name: str) -> npt.NDArray[np.int64]:
    return table.column(name).to_numpy().astype(np.int64)
