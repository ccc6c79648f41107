"""Sorting tables into partitions with bounded memory: what does not fit is put on scratch disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

MAX_ROWS_IN_MEMORY: Final = 131_072
MAX_BYTES_IN_MEMORY: Final = 32 * 2**20


@dataclass(frozen=True, slots=True)
class _Run:
    """Rows ordered by partition; those of `partitions[i]` are `bounds[i]:bounds[i + 1]`."""

    table: pa.Table
    partitions: npt.NDArray[np.int32]
    bounds: npt.NDArray[np.int64]


class PartitionSpill:
    """Takes tables row by partition and gives them back partition by partition.

    Within a partition rows keep the order in which they came. Holds at most `max_rows` rows or
    `max_bytes` bytes (and one table) in memory; the rest lies in files of `folder`, mapped when read.
    Not thread-safe.
    """

    def __init__(
        self,
        folder: Path,
        schema: pa.Schema,
        *,
        max_rows: int = MAX_ROWS_IN_MEMORY,
        max_bytes: int = MAX_BYTES_IN_MEMORY,
    ) -> None:
        self._folder = folder
        self._schema = schema
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._tables: list[pa.Table] = []
        self._numbers: list[npt.NDArray[np.int32]] = []
        self._rows = 0
        self._bytes = 0
        self._files: list[tuple[Path, npt.NDArray[np.int32], npt.NDArray[np.int64]]] = []

    def add(self, table: pa.Table, partitions: npt.NDArray[np.int32]) -> None:
        """Takes rows with the partition of each, `(n,) int32`."""
        if not len(table):
            return
        self._tables.append(table.select(self._schema.names))
        self._numbers.append(partitions)
        self._rows += len(table)
        self._bytes += table.nbytes
        if self._rows >= self._max_rows or self._bytes >= self._max_bytes:
            self._spill()

    def parts(self) -> Iterator[tuple[int, pa.Table]]:
        """Yields each partition that has rows, in ascending order, with its rows; call it once."""
        runs = [self._mapped(*file) for file in self._files]
        if self._tables:
            runs.append(self._ordered())
        for number in sorted({int(number) for run in runs for number in run.partitions}):
            yield number, pa.concat_tables(list(_slices(runs, number)))
        for path, _, _ in self._files:
            path.unlink()

    def _ordered(self) -> _Run:
        table = pa.concat_tables(self._tables).cast(self._schema).combine_chunks()
        numbers = np.concatenate(self._numbers)
        order = np.argsort(numbers, kind="stable")
        partitions, starts = np.unique(numbers[order], return_index=True)
        self._tables, self._numbers, self._rows, self._bytes = [], [], 0, 0
        bounds = np.append(starts, len(numbers)).astype(np.int64)
        return _Run(table.take(order), partitions.astype(np.int32), bounds)

    def _spill(self) -> None:
        run = self._ordered()
        handle, name = tempfile.mkstemp(dir=self._folder, prefix="spill-", suffix=".arrow")
        os.close(handle)
        path = Path(name)
        with pa.OSFile(name, "wb") as sink, pa.ipc.new_file(sink, self._schema) as writer:
            writer.write_table(run.table)
        self._files.append((path, run.partitions, run.bounds))

    @staticmethod
    def _mapped(path: Path, partitions: npt.NDArray[np.int32], bounds: npt.NDArray[np.int64]) -> _Run:
        return _Run(pa.ipc.open_file(pa.memory_map(str(path))).read_all(), partitions, bounds)


def _slices(runs: list[_Run], number: int) -> Iterator[pa.Table]:
    for run in runs:
        place = int(np.searchsorted(run.partitions, number))
        if place < len(run.partitions) and run.partitions[place] == number:
            start, stop = int(run.bounds[place]), int(run.bounds[place + 1])
            yield run.table.slice(start, stop - start)
