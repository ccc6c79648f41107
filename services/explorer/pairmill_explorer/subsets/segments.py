"""Segments of an index as a choice reads them: a run of rows at a time, so that memory is bounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill.idarrays import Positions, Words, words_of
from pairmill_explorer.search.table import words
from pairmill_index.manifest import Modality, Segment

Flags: TypeAlias = npt.NDArray[np.bool_]
Codes: TypeAlias = npt.NDArray[np.int32]

RUN_ROWS: Final = 1 << 18
CLUSTER: Final = "cluster_id"
BUCKET: Final = "bucket"
GROUP_COLUMNS: Final = ("language", BUCKET, "host", "crawl", "licence", CLUSTER)
"""What samples can be grouped by."""


class SegmentRows(Protocol):
    """What a choice needs of an open segment (`pairmill_index.opened.OpenSegment`)."""

    @property
    def segment(self) -> Segment:
        """Its manifest."""
        ...

    @property
    def table(self) -> pa.Table:
        """Its samples, `pairmill_index.columns.SAMPLES`."""
        ...

    @property
    def ids(self) -> Words:
        """Its ids, `(rows, 2) uint64`, ascending."""
        ...

    def vectors(self, modality: Modality) -> npt.NDArray[np.float16]:
        """Its vectors, `(rows, dimensions)`."""
        ...


def runs(flags: Flags, rows: int = RUN_ROWS) -> Iterator[Positions]:
    """Yields the rows whose flag is set, ascending, a run of the segment at a time; no empty ones."""
    for start in range(0, len(flags), rows):
        found = np.flatnonzero(flags[start : start + rows])
        if len(found):
            yield found + start


def ids_at(segment: SegmentRows, rows: Positions) -> Words:
    """Returns the ids of rows, `(n, 2) uint64`."""
    ids = segment.ids
    return np.stack([ids[rows, 0], ids[rows, 1]], axis=1)


def clusters_at(segment: SegmentRows, rows: Positions) -> Words:
    """Returns the `cluster_id` of ascending rows that lie near each other, `(n, 2) uint64`."""
    if not len(rows):
        return np.empty((0, 2), dtype=np.uint64)
    first, last = int(rows[0]), int(rows[-1])
    chunks = segment.table.column(CLUSTER).slice(first, last - first + 1).chunks
    return np.concatenate([words_of(chunk) for chunk in chunks])[rows - first]


@dataclass(frozen=True, slots=True)
class Groups:
    """The values of a column over all segments, numbered."""

    values: tuple[str, ...]
    codes: tuple[Codes, ...]  # for each segment `(rows,)`, the number of each row's value

    @classmethod
    def of(cls, segments: Sequence[SegmentRows], column: str) -> Groups:
        """Returns the groups by a column with few values; empty text groups all rows together."""
        numbers: dict[str, int] = {}
        codes = tuple(_codes(segment, column, numbers) for segment in segments)
        return cls(tuple(numbers), codes)


def counts_of(flags: Sequence[Flags], groups: Groups) -> npt.NDArray[np.int64]:
    """Returns how many flags are set in each group, `(groups,)`."""
    counts = np.zeros(len(groups.values), dtype=np.int64)
    for one, codes in zip(flags, groups.codes, strict=True):
        for rows in runs(one):
            counts += np.bincount(codes[rows], minlength=len(counts))
    return counts


def _codes(segment: SegmentRows, column: str, numbers: dict[str, int]) -> Codes:
    rows = segment.table.num_rows
    if column in ("", BUCKET):
        value = segment.segment.bucket if column else ""
        number = np.int32(numbers.setdefault(value, len(numbers)))
        return np.broadcast_to(number, (rows,))
    values, own = words(segment.table, column)
    shared = np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int32)
    return shared[own] if len(values) else np.zeros(rows, dtype=np.int32)
