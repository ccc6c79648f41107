"""Single rows of parquet files in a store: only the row groups that hold them are read."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.dataset.source import checked_path
from pairmill.errors import CorruptObjectError, ObjectMissingError
from pairmill.store.local import folder_of
from pairmill.store.port import ObjectStore
from pairmill.store.ranged import RangedObject
from pairmill_explorer.caching import ByteCache

_FOOTER_BYTES: Final = 32 * 2**20


class ParquetRows:
    """Reads rows by their numbers. Thread-safe. Footers are kept: no name is used twice (U4)."""

    def __init__(self) -> None:
        self._footers: ByteCache[Hashable, pq.FileMetaData] = ByteCache(
            _FOOTER_BYTES, lambda footer: footer.serialized_size
        )

    def rows(
        self, store: ObjectStore, path: str, wanted: Sequence[int], columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Returns rows of a file, ascending and each once, `wanted` being such.

        Raises ObjectMissingError, and CorruptObjectError for a file that cannot be read or has fewer rows.
        """
        with self._opened(store, path) as file:
            starts = _starts(file.metadata)
            groups = _groups(starts, wanted, path)
            names = list(columns) if columns is not None else None
            parts = [
                file.schema_arrow.empty_table()
                if names is None
                else file.schema_arrow.empty_table().select(names)
            ]
            for group in np.unique(groups).tolist():
                inside = np.asarray(wanted)[groups == group] - starts[group]
                parts.append(file.read_row_group(group, columns=names).take(inside))
            return pa.concat_tables(parts)

    def groups(self, store: ObjectStore, path: str, wanted: Sequence[int]) -> list[int]:
        """Returns the row group of each row of a file; raises like `rows`, and reads the footer alone."""
        with self._opened(store, path) as file:
            groups: list[int] = _groups(_starts(file.metadata), wanted, path).tolist()
            return groups

    def batches(self, store: ObjectStore, path: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yields columns of a file, those that it has; raises like `rows`."""
        with self._opened(store, path) as file:
            here = [name for name in columns if name in file.schema_arrow.names]  # columns are only added
            yield from file.iter_batches(columns=here)

    @contextmanager
    def _opened(self, store: ObjectStore, path: str) -> Iterator[pq.ParquetFile]:
        key = (str(store), path)
        try:
            file = pq.ParquetFile(_source(store, path), metadata=self._footers.get(key))
            self._footers.put(key, file.metadata)
            yield file
        except (pa.ArrowException, OSError) as error:
            raise CorruptObjectError(f"{path} cannot be read: {error}") from error


def _starts(footer: pq.FileMetaData) -> npt.NDArray[np.int64]:
    """Returns the first row of each row group, and the number of rows."""
    sizes = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
    return np.cumsum([0, *sizes], dtype=np.int64)


def _groups(starts: npt.NDArray[np.int64], wanted: Sequence[int], path: str) -> npt.NDArray[np.int64]:
    """Returns the row group of each row; raises CorruptObjectError for one that is in none."""
    rows = np.asarray(wanted, dtype=np.int64)
    if len(rows) and not (rows.min() >= 0 and rows.max() < starts[-1]):
        raise CorruptObjectError(f"{path} has {starts[-1]:,} rows, row {rows.max():,} is wanted")
    return np.searchsorted(starts, rows, side="right") - 1


def _source(store: ObjectStore, path: str) -> pa.NativeFile:
    """Returns a file where it lies; of a bucket only what is asked for is read."""
    folder = folder_of(store)
    if folder is None:
        info = store.stat(checked_path(path))
        if info is None:
            raise ObjectMissingError(f"{path} is not there")
        return pa.PythonFile(RangedObject(store, path, info.size_bytes), mode="r")
    found = folder / checked_path(path)
    if not found.is_file():
        raise ObjectMissingError(f"{path} is not there")
    return pa.memory_map(str(found))
