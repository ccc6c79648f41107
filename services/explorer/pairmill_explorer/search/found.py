"""Rows of an index that were found, as arrays, and the search that finds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pairmill_explorer.search.table import Flags, Rows
from pairmill_index.manifest import Modality
from pairmill_index.opened import OpenSegment
from pairmill_index.vector_search import Admitted

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int32]

NO_SCORE: Final = np.float32("nan")  # of a row that nothing was compared with


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Rows in an order: which segment of the index, which row of it, how near."""

    segments: Places  # (n,), places in the index's list of segments
    rows: Rows  # (n,)
    scores: Floats  # (n,), cosines; NaN where nothing was searched for

    def __len__(self) -> int:
        """Returns how many rows were found."""
        return len(self.rows)

    def __getitem__(self, which: slice | Flags | Rows) -> Found:
        """Returns some of them."""
        return Found(segments=self.segments[which], rows=self.rows[which], scores=self.scores[which])

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.segments.nbytes + self.rows.nbytes + self.scores.nbytes


NOTHING: Final = Found(
    segments=np.empty(0, dtype=np.int32),
    rows=np.empty(0, dtype=np.int64),
    scores=np.empty(0, dtype=np.float32),
)


def joined(parts: Sequence[Found]) -> Found:
    """Returns all of them, one behind the other."""
    if len(parts) < 2:
        return parts[0] if parts else NOTHING
    return Found(
        segments=np.concatenate([part.segments for part in parts]),
        rows=np.concatenate([part.rows for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
    )


def one_row(place: int, row: int) -> Found:
    """Returns a single row."""
    return in_segment(place, np.array([row], dtype=np.int64))


def in_segment(place: int, rows: Rows, scores: Floats | None = None) -> Found:
    """Returns rows of one segment."""
    given = np.full(len(rows), NO_SCORE, dtype=np.float32) if scores is None else scores
    return Found(segments=np.full(len(rows), place, dtype=np.int32), rows=rows, scores=given)


def nearest(
    segments: Sequence[OpenSegment],
    masks: Sequence[Flags | Admitted],
    modality: Modality,
    vector: Floats,
    k: int,
) -> Found:
    """Returns the k admitted rows nearest to a unit vector, the nearest first; ties by segment and row."""
    parts = []
    for place, (segment, mask) in enumerate(zip(segments, masks, strict=True)):
        if segment.rows:
            scores, rows = segment.search(modality, vector[None, :], min(k, segment.rows), mask=mask)
            count = int(np.count_nonzero(rows[0] >= 0))  # what is missing stands behind all others
            parts.append(in_segment(place, rows[0, :count], scores[0, :count]))
    found = joined(parts)
    order = np.lexsort((found.rows, found.segments, -found.scores))[:k]
    return found[order]


def gathered(found: Found, read: Callable[[int, Rows], npt.NDArray[Any]], empty: npt.NDArray[Any]) -> Any:
    """Returns an array row-aligned with `found`: `read(segment, rows)` gives the values of one segment.

    `empty` has the type and the trailing shape of the values.
    """
    values = np.empty((len(found), *empty.shape[1:]), dtype=empty.dtype)
    for place in np.unique(found.segments):
        here = found.segments == place
        values[here] = read(int(place), found.rows[here])
    return values
