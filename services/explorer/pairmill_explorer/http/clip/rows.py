"""What is told of a row, by the column names that clip-retrieval, img2dataset and LAION use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa

from pairmill_explorer.search.found import Found
from pairmill_explorer.search.table import take
from pairmill_index.opened import OpenIndex

COLUMNS: Final[Mapping[str, str]] = {
    "url": "url",
    "caption": "text",
    "sample_id": "sample_id",
    "similarity": "similarity",
    "LANGUAGE": "language",
    "original_width": "width",
    "original_height": "height",
    "punsafe": "unsafe_score",
    "pwatermark": "watermark_score",
    "AESTHETIC_SCORE": "aesthetic_score",
    "licence": "licence",
    "md5": "md5",
}
"""By their names there, the columns of the index."""

_NAMES: Final = [*COLUMNS]
_TAKEN: Final = [*COLUMNS.values()]
UNSAFE, UNSURE, SAFE = "NSFW", "UNSURE", "UNLIKELY"


def metadata_of(index: OpenIndex, found: Found, max_unsafe_score: float) -> list[dict[str, Any]]:
    """Returns the metadata of each row."""
    rows: list[dict[str, Any]] = [{}] * len(found)
    for place in np.unique(found.segments).tolist():
        here = np.flatnonzero(found.segments == place)
        taken = take(index.segments[place].table.select(_TAKEN), found.rows[here])
        columns = (_values(column) for column in taken.columns)
        for target, values in zip(here.tolist(), zip(*columns, strict=True), strict=True):
            row = dict(zip(_NAMES, values, strict=True))
            row["sample_id"] = row["sample_id"].hex()
            row["NSFW"] = _category(row["punsafe"], max_unsafe_score)
            rows[target] = row
    return rows


def _values(column: pa.ChunkedArray[Any]) -> list[Any]:
    """Returns a column's values; words one by one out of their dictionary would take ten times as long."""
    plain = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
    return plain.to_pylist()


def _category(score: float | None, max_unsafe_score: float) -> str:
    if score is None:
        return UNSURE
    return UNSAFE if score > max_unsafe_score else SAFE
