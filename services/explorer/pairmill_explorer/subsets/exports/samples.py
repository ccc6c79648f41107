"""Parquet with all columns of `data/`, read where the rows stand and written in that order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.dataset.source import DatasetFiles, files_of
from pairmill.errors import CorruptObjectError
from pairmill.idarrays import Positions, Words
from pairmill.schemas import SAMPLES, versioned
from pairmill.store.local import folder_of
from pairmill_explorer.search.table import words
from pairmill_explorer.subsets.exports.job import PartRecord
from pairmill_explorer.subsets.exports.layout import part_name
from pairmill_explorer.subsets.exports.rows import columns_of
from pairmill_explorer.subsets.exports.sink import write_parquet
from pairmill_explorer.subsets.exports.writers import Target
from pairmill_explorer.subsets.order import Keys, Places, in_order
from pairmill_explorer.subsets.segments import Flags, SegmentRows

_ROW_BITS = 36  # rows of a file of `data/`


class SampleWriter:
    """Writes parts one after the other, so that each row group is read once."""

    at_once = 1

    def __init__(self, target: Target, chosen: Sequence[Flags]) -> None:
        self._target = target
        self._chosen = chosen
        self._groups = _RowGroups(
            files_of(folder_of(target.source) or target.source, scratch=target.sink.scratch)
        )

    def places(self) -> Iterator[Places]:
        """Yields all rows in the order of `data/`."""
        segments = self._target.index.segments
        return in_order(segments, self._chosen, FileOrder(segments).key_of)

    def write(self, number: int, places: Places) -> PartRecord:
        """Writes a file with all columns of `data/`."""
        rows = columns_of(self._target.index.segments, places, ["data_file", "data_row", "sample_id"])
        table = pa.concat_tables(list(self._taken(rows)))
        if table.column("sample_id").combine_chunks() != rows.column("sample_id").combine_chunks():
            raise CorruptObjectError("the index does not belong to the files of data/; build it anew")
        written = self._target.sink.put(
            part_name(number, ".parquet"),
            len(table),
            lambda file: write_parquet(file, table),
        )
        self._target.advance(len(table), written.bytes)
        return PartRecord(number=number, rows=len(table), files=(written,))

    def close(self) -> None:
        """Closes the file that is read."""
        self._groups.close()

    def _taken(self, rows: pa.Table) -> Iterator[pa.Table]:
        files = rows.column("data_file").to_numpy()
        numbers = rows.column("data_row").to_numpy()
        starts = [0, *(np.flatnonzero(files[1:] != files[:-1]) + 1).tolist(), len(files)]
        for start, stop in pairwise(starts):
            self._target.check()
            yield from self._groups.rows(str(files[start]), numbers[start:stop])


class FileOrder:
    """Orders rows by their file of `data/` and their row in it."""

    def __init__(self, segments: Sequence[SegmentRows]) -> None:
        names: set[str] = set()
        self._columns = []
        for segment in segments:
            values, codes = words(segment.table, "data_file")
            names.update(values)
            self._columns.append((values, codes))
        self._rows = [np.asarray(segment.table.column("data_row").to_numpy()) for segment in segments]
        ordinals = {name: place for place, name in enumerate(sorted(names))}
        self._ordinals = [
            np.array([ordinals[value] for value in values] or [0], dtype=np.uint64)
            for values, _ in self._columns
        ]
        self._shift = np.uint64(64 - _ROW_BITS - max(len(names) - 1, 1).bit_length())

    def key_of(self, number: int, rows: Positions, ids: Words) -> Keys:
        """Returns what orders rows of a segment."""
        del ids
        numbers = self._rows[number][rows].astype(np.uint64)
        files = self._ordinals[number][self._columns[number][1][rows]]
        return ((files << np.uint64(_ROW_BITS)) | numbers) << self._shift


class _RowGroups:
    """Row groups of parquet files; the one that was read last is held."""

    def __init__(self, files: DatasetFiles) -> None:
        self._files = files
        self._stack = ExitStack()
        self._name = ""
        self._file: pq.ParquetFile | None = None
        self._starts: npt.NDArray[np.int64] = np.zeros(1, dtype=np.int64)
        self._group = -1
        self._table: pa.Table | None = None

    def rows(self, name: str, numbers: Positions) -> Iterator[pa.Table]:
        """Yields ascending rows of a file, with the columns of this version."""
        try:
            file = self._opened(name)
            groups = np.searchsorted(self._starts, numbers, side="right") - 1
            for group in np.unique(groups):
                inside = numbers[groups == group] - self._starts[group]
                yield self._read(file, int(group)).take(pa.array(inside))
        except (pa.ArrowException, OSError) as error:
            raise CorruptObjectError(f"{name} cannot be read: {error}") from error

    def close(self) -> None:
        """Closes the file."""
        self._stack.close()
        self._name, self._file, self._group, self._table = "", None, -1, None

    def _opened(self, name: str) -> pq.ParquetFile:
        if self._file is None or name != self._name:
            self.close()
            path = self._stack.enter_context(self._files.local(name))
            mapped = self._stack.enter_context(pa.memory_map(str(path)))
            self._file, self._name = pq.ParquetFile(mapped), name
            meta = self._file.metadata
            sizes = [meta.row_group(group).num_rows for group in range(meta.num_row_groups)]
            self._starts = np.cumsum([0, *sizes])[:-1]
        return self._file

    def _read(self, file: pq.ParquetFile, group: int) -> pa.Table:
        if self._table is None or group != self._group:
            self._table, self._group = _as_samples(file.read_row_group(group)), group
        return self._table


def _as_samples(table: pa.Table) -> pa.Table:
    """Returns a table with the columns of this version: those that an older one lacks are null."""
    columns: list[Any] = [
        table.column(field.name).cast(field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in SAMPLES
    ]
    return pa.Table.from_arrays(columns, schema=versioned(SAMPLES))
