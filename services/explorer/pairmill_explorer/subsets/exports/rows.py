"""Columns of chosen rows, in an order over all segments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pairmill.idarrays import hex_of
from pairmill_explorer.search.table import take
from pairmill_explorer.subsets.order import Places
from pairmill_explorer.subsets.segments import Flags, SegmentRows, ids_at

SAMPLE_ID = "sample_id"


def columns_of(segments: Sequence[SegmentRows], places: Places, names: Sequence[str]) -> pa.Table:
    """Returns columns of rows in their order; values of dictionaries as they are, ids as hex digits."""
    parts, order = [], []
    for number in np.unique(places.segment):
        here = np.flatnonzero(places.segment == number)
        parts.append(_plain(segments[number], places.row[here], names))
        order.append(here)
    if not parts:
        return pa.table({name: pa.array([], pa.string()) for name in names})
    back = np.empty(len(places), dtype=np.int64)
    back[np.concatenate(order)] = np.arange(len(places))
    return pa.concat_tables(parts).combine_chunks().take(back)


def has_image(segment: SegmentRows) -> Flags:
    """Returns which rows of a segment have an image in a tar, `(rows,)`."""
    column = segment.table.column("shard")
    if not column.num_chunks:
        return np.zeros(0, dtype=np.bool_)
    return np.concatenate([_named(chunk) for chunk in column.chunks])


def _named(chunk: Any) -> Flags:
    values = np.array([bool(value) for value in chunk.dictionary.to_pylist()] or [False], dtype=np.bool_)
    return values[chunk.indices.to_numpy(zero_copy_only=False)] if len(chunk) else np.zeros(0, np.bool_)


def _plain(
    segment: SegmentRows, rows: np.ndarray[tuple[int], np.dtype[np.int64]], names: Sequence[str]
) -> pa.Table:
    stored = [name for name in names if name != SAMPLE_ID]
    table = take(segment.table.select(stored), rows).combine_chunks()
    columns = {name: _decoded(table.column(name)) for name in stored}
    if SAMPLE_ID in names:
        columns[SAMPLE_ID] = pa.chunked_array([hex_of(ids_at(segment, rows))])
    return pa.table({name: columns[name] for name in names})


def _decoded(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    kind = column.type
    return column.cast(kind.value_type) if pa.types.is_dictionary(kind) else column
