"""Rows of parquet files by `sample_id`, found without reading the ids of a file twice in a row."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill.errors import CorruptObjectError
from pairmill.idarrays import Positions, Words, ascending, find, words_of_hex
from pairmill.ids import ID_BYTES
from pairmill.store.port import ObjectStore
from pairmill_explorer.caching import ByteCache
from pairmill_explorer.datasets.parquet import ParquetRows

_CACHE_BYTES: Final = 32 * 2**20  # of about 150 files of 10,000 rows


class _Ids:
    """The ids of a file in order, with the row of each."""

    def __init__(self, ids: Words) -> None:
        order = ascending(ids)
        self.ordered = ids[order]
        self.rows: npt.NDArray[np.int32] = order.astype(np.int32)

    @property
    def nbytes(self) -> int:
        return self.ordered.nbytes + self.rows.nbytes

    def find(self, wanted: Words) -> Positions:
        places = find(self.ordered, wanted)
        return np.where(places >= 0, self.rows[places], -1) if len(self.rows) else places


class IdRows:
    """Finds rows. Thread-safe; the ids of the files used last are kept: no name is used twice (U4)."""

    def __init__(self, files: ParquetRows) -> None:
        self._files = files
        self._kept: ByteCache[Hashable, _Ids] = ByteCache(_CACHE_BYTES, lambda ids: ids.nbytes)

    def find(self, store: ObjectStore, path: str, wanted: Words) -> Positions:
        """Returns the row of each id, `(n, 2) uint64`, in a file, or -1.

        Raises ObjectMissingError, and CorruptObjectError for a file that cannot be read or holds no ids.
        """
        return self._kept.get_or_make((str(store), path), lambda: self._read(store, path)).find(wanted)

    def _read(self, store: ObjectStore, path: str) -> _Ids:
        parts: list[pa.Array[Any]] = []
        for batch in self._files.batches(store, path, ["sample_id"]):
            parts += batch.columns
        try:
            return _Ids(words_of_hex(pa.concat_arrays([pa.array([], pa.string()), *parts]), ID_BYTES))
        except (pa.ArrowException, ValueError) as error:
            raise CorruptObjectError(f"{path}: its sample ids cannot be read: {error}") from error
