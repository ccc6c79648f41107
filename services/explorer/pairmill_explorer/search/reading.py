"""Values of a few rows of a segment, read where its columns are mapped.

Arrow's own way, to gather the rows of a table and then turn columns into Python values, takes several times
as long for a page of results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill_explorer.search.table import Flags, Rows
from pairmill_index.opened import OpenSegment

_MOST_WORDS: Final = 1000  # of a dictionary whose words are kept as Python's


class _Column(Protocol):
    """Gives values of rows."""

    def at(self, rows: Rows) -> list[Any]:
        """Returns the value of each row."""
        ...


class Columns:
    """The columns of a segment. Thread-safe."""

    def __init__(self, table: pa.Table) -> None:
        self._batches = [_Batch(batch) for batch in table.to_batches() if len(batch)]
        self._ends = np.cumsum([len(batch) for batch in self._batches], dtype=np.int64)

    def at(self, rows: Rows, names: Sequence[str]) -> list[list[Any]]:
        """Returns columns of rows by their names, row-aligned; times as microseconds since 1970."""
        if len(self._batches) == 1:
            return self._batches[0].at(rows, names)
        found: list[list[Any]] = [[None] * len(rows) for _ in names]
        places = np.searchsorted(self._ends, rows, side="right")
        for place in np.unique(places).tolist():
            here = np.flatnonzero(places == place)
            batch = self._batches[place]
            parts = batch.at(rows[here] - (self._ends[place] - len(batch)), names)
            for values, part in zip(found, parts, strict=True):
                for row, value in zip(here.tolist(), part, strict=True):
                    values[row] = value
        return found


class _Batch:
    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self._columns: dict[str, _Column] = {}

    def __len__(self) -> int:
        return len(self._batch)

    def at(self, rows: Rows, names: Sequence[str]) -> list[list[Any]]:
        return [self._column(name).at(rows) for name in names]

    def _column(self, name: str) -> _Column:
        found = self._columns.get(name)
        if found is None:
            found = self._columns[name] = _column_of(self._batch.column(name))
        return found


_COLUMNS: Final[WeakKeyDictionary[OpenSegment, Columns]] = WeakKeyDictionary()


def columns_in(segment: OpenSegment) -> Columns:
    """Returns the columns of a segment; they are looked up once, and let go of with the segment."""
    found = _COLUMNS.get(segment)
    if found is None:
        found = _COLUMNS[segment] = Columns(segment.table)
    return found


class _Numbers:
    def __init__(self, values: npt.NDArray[Any]) -> None:
        self._values = values

    def at(self, rows: Rows) -> list[Any]:
        values: list[Any] = self._values[rows].tolist()
        return values


class _Texts:
    def __init__(self, ends: npt.NDArray[np.signedinteger[Any]], data: memoryview) -> None:
        self._ends = ends
        self._data = data

    def at(self, rows: Rows) -> list[Any]:
        data, starts, ends = self._data, self._ends[rows].tolist(), self._ends[rows + 1].tolist()
        return [str(data[start:end], "utf-8") for start, end in zip(starts, ends, strict=True)]


class _Words:
    def __init__(self, codes: npt.NDArray[Any], words: _Column, count: int) -> None:
        self._codes = codes
        self._words = words
        self._known = words.at(np.arange(count)) if count <= _MOST_WORDS else None

    def at(self, rows: Rows) -> list[Any]:
        codes = self._codes[rows]
        if self._known is None:
            return self._words.at(codes.astype(np.int64))
        return [self._known[code] for code in codes.tolist()]


class _Pieces:
    """Bytes of one length."""

    def __init__(self, data: npt.NDArray[np.void]) -> None:
        self._data = data

    def at(self, rows: Rows) -> list[Any]:
        pieces: list[Any] = self._data[rows].tolist()
        return pieces


class _Nullable:
    """A column some values of which are not known."""

    def __init__(self, column: _Column, bits: npt.NDArray[np.uint8], offset: int) -> None:
        self._column = column
        self._bits = bits
        self._offset = offset

    def at(self, rows: Rows) -> list[Any]:
        known = self._known(rows + self._offset)
        if known.all():
            return self._column.at(rows)
        values: list[Any] = [None] * len(rows)
        for place, value in zip(np.flatnonzero(known).tolist(), self._column.at(rows[known]), strict=True):
            values[place] = value
        return values

    def _known(self, places: Rows) -> Flags:
        known: Flags = (self._bits[places >> 3] >> (places & 7).astype(np.uint8)) & 1 == 1
        return known


def _column_of(array: pa.Array[Any]) -> _Column:
    column = _known_values(array)
    if not array.null_count:
        return column
    return _Nullable(column, np.frombuffer(_bytes(array, 0), dtype=np.uint8), array.offset)


def _known_values(array: pa.Array[Any]) -> _Column:
    """Returns a column that gives anything at all for values that are null."""
    if isinstance(array, pa.DictionaryArray):
        words = array.dictionary
        return _Words(_view(array.indices, np.int32), _column_of(words), len(words))
    if pa.types.is_string(array.type):
        return _Texts(_view(array, np.int32, more=1), _bytes(array, 2))
    if pa.types.is_fixed_size_binary(array.type):
        return _Pieces(_view(array, np.dtype(("V", array.type.byte_width))))
    kind = np.int64 if pa.types.is_timestamp(array.type) else array.type.to_pandas_dtype()
    return _Numbers(_view(array, kind))


def _view(array: pa.Array[Any], kind: npt.DTypeLike, more: int = 0) -> npt.NDArray[Any]:
    """Returns the fixed-width values of an array where they lie, and `more` behind them."""
    start, end = array.offset, array.offset + len(array) + more
    return np.frombuffer(_bytes(array, 1), dtype=np.dtype(kind))[start:end]


def _bytes(array: pa.Array[Any], number: int) -> memoryview:
    """Returns one of the buffers of an array."""
    return memoryview(array.buffers()[number] or b"")
