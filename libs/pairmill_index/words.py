"""Columns of few different texts as dictionaries that are the same for a whole segment."""

from __future__ import annotations

from typing import Any, Final, cast

import pyarrow as pa
import pyarrow.compute as pc

from pairmill_index.columns import WORDS

_PENDING_ROWS: Final = 1 << 18


class Vocabulary:
    """Collects the different values of columns, then writes columns as numbers into sorted dictionaries."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._known: dict[str, pa.Array[Any]] = {name: pa.array([], pa.string()) for name in names}
        self._pending: dict[str, list[pa.Array[Any]]] = {name: [] for name in names}
        self._rows = 0

    def add(self, name: str, column: pa.ChunkedArray[Any]) -> None:
        """Takes the values of a column; null counts as empty."""
        values = _texts(column).unique()
        self._pending[name].append(values)
        self._rows += len(values)
        if self._rows > _PENDING_ROWS:
            self._merge()

    def add_columns(self, table: pa.Table) -> None:
        """Takes the columns of a table of rows that a build reads, as far as it has them."""
        for name, source in WORDS.items():
            if source in table.column_names:
                self.add(name, table[source])

    def encode(self, name: str, column: pa.ChunkedArray[Any]) -> pa.Array[Any]:
        """Returns a column as a dictionary array; all its values must have been added."""
        self._merge()
        dictionary = self._known[name]
        codes = pc.index_in(_texts(column), value_set=dictionary)
        return pa.DictionaryArray.from_arrays(codes, dictionary)

    def _merge(self) -> None:
        for name, pending in self._pending.items():
            if pending:
                merged = pa.concat_arrays([self._known[name], *pending]).unique()
                self._known[name] = merged.take(pc.sort_indices(merged))
                pending.clear()
        self._rows = 0


def _texts(column: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    filled: Any = column.combine_chunks().fill_null("")
    return cast("pa.Array[Any]", filled)
