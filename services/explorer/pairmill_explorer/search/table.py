"""Columns of a segment's table as numpy arrays, and rows of it by their numbers.

Columns of one chunk, which is what indices are written with, are looked at where they are mapped.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Flags: TypeAlias = npt.NDArray[np.bool_]
Numbers: TypeAlias = npt.NDArray[Any]
Rows: TypeAlias = npt.NDArray[np.int64]
Codes: TypeAlias = npt.NDArray[np.int32]

_ZERO: Final = pa.scalar(0, pa.int64())
NO_TIME: Final = np.iinfo(np.int64).min  # stands for a time that is null


def numbers(table: pa.Table, name: str) -> Numbers:
    """Returns a numeric column, `(rows,)`; NaN where a real number is null."""
    column = table.column(name)
    return np.asarray(column.to_numpy())


def aspects(table: pa.Table) -> npt.NDArray[np.float64]:
    """Returns width divided by height, `(rows,)`; NaN where there is no size."""
    width, height = (numbers(table, name).astype(np.float64) for name in ("width", "height"))
    known = (width > 0) & (height > 0)
    aspect: npt.NDArray[np.float64] = np.divide(width, height, out=np.full(len(width), np.nan), where=known)
    return aspect


def times(table: pa.Table, name: str) -> npt.NDArray[np.int64]:
    """Returns a column of times as microseconds since 1970, `(rows,)`; NO_TIME where it is null."""
    column = table.column(name)
    found = np.where(known(column), column.cast(pa.int64()).fill_null(_ZERO).to_numpy(), NO_TIME)
    return np.asarray(found, dtype=np.int64)


def known(column: pa.ChunkedArray[Any]) -> Flags:
    """Returns which values are not null, `(rows,)`."""
    return np.asarray(column.is_valid().to_numpy(), dtype=np.bool_)


def words(table: pa.Table, name: str) -> tuple[list[str], Codes]:
    """Returns the values of a dictionary column, each once, and `(rows,)` the place of each row's value."""
    values, codes = coded(table, name)
    return [str(value) for value in values.to_pylist()], codes


def coded(table: pa.Table, name: str) -> tuple[pa.Array[Any], Codes]:
    """Returns the same, with the values as they lie in the table: there may be many, as of hosts."""
    column = table.column(name)
    if column.num_chunks > 1:
        column = column.unify_dictionaries()  # does nothing where all chunks share one
    chunks = [chunk for chunk in column.chunks if isinstance(chunk, pa.DictionaryArray)]
    if not chunks:
        return pa.array([], pa.string()), np.empty(0, dtype=np.int32)
    codes = [chunk.indices.to_numpy(zero_copy_only=False) for chunk in chunks]
    return chunks[0].dictionary, np.asarray(
        codes[0] if len(codes) == 1 else np.concatenate(codes), dtype=np.int32
    )


def take(table: pa.Table, rows: Rows) -> pa.Table:
    """Returns rows by their numbers, in that order.

    Chunk by chunk where there are several: Arrow would copy whole columns of texts to take a few of them.
    """
    batches = table.to_batches()
    if len(batches) < 2:
        return table.take(rows)
    ends = np.cumsum([len(batch) for batch in batches])
    places = np.searchsorted(ends, rows, side="right")
    order = np.argsort(places, kind="stable")
    parts = []
    for place in np.unique(places):
        inside = rows[order][places[order] == place] - (ends[place] - len(batches[place]))
        parts.append(batches[place].take(inside))
    back = np.empty(len(rows), dtype=np.int64)
    back[order] = np.arange(len(rows))
    gathered = pa.Table.from_batches(parts, schema=table.schema).unify_dictionaries().combine_chunks()
    return gathered.take(back)
