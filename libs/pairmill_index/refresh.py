"""New columns for rows of old segments, where a new version of the dataset says something else of them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from pairmill.idarrays import ascending, find, words_of
from pairmill_index.columns import GONE_ROW, SAMPLES, WORDS
from pairmill_index.join import sample_columns
from pairmill_index.words import Vocabulary

KEPT_WORDS: Final = ("host", "shard_index")
"""Columns of few different texts that come with the embeddings, so that `data/` does not change them."""

_KEPT: Final = ("fetched_at", *KEPT_WORDS)


def refreshed(old: pa.Table, data: pa.Table | None, words: Vocabulary) -> pa.Table:
    """Returns rows of an old segment with the columns that `data/` has for them now.

    A row that `data/` does not have any more stays in its place, empty, and counts no more.
    """
    ids = words_of(old["sample_id"].combine_chunks())
    places = np.full(len(ids), -1, dtype=np.int64)
    if data is not None:
        data_ids = words_of(data["id"].combine_chunks())
        order = ascending(data_ids)
        found = find(data_ids[order], ids)
        places = np.where(found >= 0, order[found], -1)
    has_data = places >= 0
    parts = [_gone(old.filter(pa.array(~has_data)), words)]
    if data is not None:
        parts.append(_joined(old.filter(pa.array(has_data)), data.take(places[has_data]), words))
    positions = np.concatenate([np.flatnonzero(~has_data), np.flatnonzero(has_data)])
    return pa.concat_tables(parts).take(np.argsort(positions, kind="stable"))


def _joined(old: pa.Table, data: pa.Table, words: Vocabulary) -> pa.Table:
    rows = data.drop_columns(["id"]).append_column("id", old["sample_id"])
    for name in _KEPT:
        column: Any = old[name]
        plain = column.cast(pa.string()) if name in KEPT_WORDS else column
        rows = rows.append_column(name, plain)
    return sample_columns(rows, words)


def _gone(old: pa.Table, words: Vocabulary) -> pa.Table:
    size = len(old)
    columns: dict[str, Any] = {
        "sample_id": old["sample_id"],
        "cluster_id": old["sample_id"],
        "data_row": pa.array(np.full(size, GONE_ROW)),
    }
    empty = pa.chunked_array([pa.repeat("", size)])
    columns |= {name: words.encode(name, empty) for name in WORDS}
    filled = [columns[one.name] if one.name in columns else _blank(one, size) for one in SAMPLES]
    return pa.table(filled, schema=SAMPLES)


def _blank(field: pa.Field[Any], size: int) -> Any:
    if field.nullable:
        return pa.nulls(size, field.type)
    return pa.array(["" if pa.types.is_string(field.type) else 0] * size, field.type)
