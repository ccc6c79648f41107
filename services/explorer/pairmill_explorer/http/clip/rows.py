"""What is told of a row, by the column names that clip-retrieval, img2dataset and LAION use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pairmill_explorer.search.found import Found
from pairmill_explorer.search.samples import columns_of
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

UNSAFE, UNSURE, SAFE = "NSFW", "UNSURE", "UNLIKELY"


def metadata_of(index: OpenIndex, found: Found, max_unsafe_score: float) -> list[dict[str, Any]]:
    """Returns the metadata of each row."""
    values = columns_of(index, found, [*COLUMNS.values()])
    columns = [values[name] for name in COLUMNS.values()]
    names = [*COLUMNS]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    for row in rows:
        row["sample_id"] = row["sample_id"].hex()
        row["NSFW"] = _category(row["punsafe"], max_unsafe_score)
    return rows


def _category(score: float | None, max_unsafe_score: float) -> str:
    if score is None:
        return UNSURE
    return UNSAFE if score > max_unsafe_score else SAFE
