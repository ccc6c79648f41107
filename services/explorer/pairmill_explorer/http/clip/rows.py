"""What is told of a row, by the column names that clip-retrieval, img2dataset and LAION use."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from pairmill_explorer.search.conditions import SafetyRules
from pairmill_explorer.search.found import Found
from pairmill_explorer.search.samples import columns_of, unsafe_of
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

_TAKEN: Final = [*COLUMNS.values()]
UNSAFE, UNSURE, SAFE = "NSFW", "UNSURE", "UNLIKELY"


class Near(msgspec.Struct):
    """A result of which only the id is told."""

    id: int
    similarity: float  # to the query


class Metadata(msgspec.Struct, rename={ours: theirs for theirs, ours in COLUMNS.items()} | {"nsfw": "NSFW"}):
    """What is told of a row; written with the names of COLUMNS."""

    url: str
    text: str
    sample_id: str
    similarity: float | None  # of picture and text; of a result, to the query
    language: str
    width: int
    height: int
    unsafe_score: float | None
    watermark_score: float | None
    aesthetic_score: float | None
    licence: str
    md5: str
    nsfw: str


class NearRow(Metadata):
    """A result with its metadata."""

    id: int


def metadata_of(index: OpenIndex, found: Found, rules: SafetyRules) -> list[Metadata]:
    """Returns the metadata of each row."""
    return [Metadata(*row) for row in zip(*_told(index, found, rules), strict=True)]


def near_rows(index: OpenIndex, found: Found, rules: SafetyRules, numbers: list[int]) -> Iterator[NearRow]:
    """Yields results with their metadata; `numbers` are their ids."""
    columns = _told(index, found, rules)
    columns[_TAKEN.index("similarity")] = found.scores.tolist()
    return (NearRow(*row) for row in zip(*columns, numbers, strict=True))


def _told(index: OpenIndex, found: Found, rules: SafetyRules) -> list[list[Any]]:
    """Returns the fields of Metadata, each of all rows."""
    columns = columns_of(index, found, _TAKEN)
    rated = categories_of(columns["unsafe_score"], rules)
    ids = [sample_id.hex() for sample_id in columns["sample_id"]]
    return [*({**columns, "sample_id": ids}.values()), rated]


def categories_of(scores: Sequence[float | None], rules: SafetyRules) -> list[str]:
    """Returns the category of each unsafe score; one that is unknown is never called safe (H6)."""
    return [
        UNSURE if score is None or math.isnan(score) else UNSAFE if is_unsafe else SAFE
        for score, is_unsafe in zip(scores, unsafe_of(scores, rules), strict=True)
    ]
