"""Counts of values and of numbers by interval, over rows of a segment.

What does not depend on a request is worked out once per segment: which value and which interval each row has.
Counting is then one pass over small integers.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill_explorer.caching import ByteCache
from pairmill_explorer.search.clauses import ASPECT
from pairmill_explorer.search.table import Flags, Rows, aspects, coded, numbers
from pairmill_index.opened import OpenSegment

Intervals: TypeAlias = npt.NDArray[np.uint8]
Selection: TypeAlias = Flags | Rows
"""Rows of a segment: a mask, or their numbers."""

IntervalCache: TypeAlias = ByteCache[Hashable, Intervals]

MOST_INTERVALS: Final = 60
_UNKNOWN: Final = np.uint8(255)
_SPARSE: Final = 4  # row numbers are faster than a mask that holds for less than one row in so many


def interval_cache(max_bytes: int) -> IntervalCache:
    """Returns a place for the intervals of rows."""
    return ByteCache(max_bytes, lambda intervals: intervals.nbytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Ends of the intervals of a number; the last interval includes its upper end."""

    field: str  # of `Filters`
    values: tuple[float, ...]  # n + 1, ascending; empty if no row has the number

    @property
    def intervals(self) -> int:
        """How many there are."""
        return max(0, len(self.values) - 1)


def values_of(table: pa.Table, field: str) -> npt.NDArray[Any]:
    """Returns a number of each row, `(rows,)`; NaN where it is unknown."""
    return aspects(table) if field == ASPECT else numbers(table, field)


def intervals_of(table: pa.Table, edges: Edges) -> Intervals:
    """Returns the interval that each row lies in, `(rows,)`; 255 where the number is unknown."""
    values = values_of(table, edges.field)
    if not edges.intervals:
        return np.full(len(values), _UNKNOWN)
    inner = np.asarray(edges.values[1:-1], dtype=np.float64)
    found = np.searchsorted(inner, values, side="right").astype(np.uint8)
    if values.dtype.kind == "f":
        found[np.isnan(values)] = _UNKNOWN
    return found


def interval_counts(intervals: Intervals, selection: Selection, edges: Edges) -> npt.NDArray[np.int64]:
    """Returns rows per interval, and behind them those whose number is unknown, `(intervals + 1,)`."""
    counts = np.bincount(intervals[selection], minlength=256)
    return np.append(counts[: edges.intervals], counts[_UNKNOWN]).astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The values of a dictionary column in all segments of an index, each once."""

    values: pa.Array[Any]
    places: tuple[npt.NDArray[np.int32], ...]  # per segment: where each of its own values stands


def vocabulary_of(segments: Sequence[OpenSegment], column: str) -> Vocabulary:
    """Returns the values of a column over all segments."""
    own = [coded(segment.table, column)[0] for segment in segments]
    chunks = [pa.DictionaryArray.from_arrays(np.arange(len(one)), one) for one in own]
    if not chunks:
        return Vocabulary(values=pa.array([], pa.string()), places=())
    joined = pa.chunked_array(chunks).unify_dictionaries().chunks
    whole = [chunk for chunk in joined if isinstance(chunk, pa.DictionaryArray)]
    places = tuple(
        np.asarray(chunk.indices.to_numpy(zero_copy_only=False), dtype=np.int32) for chunk in whole
    )
    return Vocabulary(values=whole[0].dictionary, places=places)


def word_counts(
    segments: Sequence[OpenSegment], column: str, vocabulary: Vocabulary, chosen: Sequence[Selection]
) -> npt.NDArray[np.int64]:
    """Returns rows per value of a dictionary column, in the order of its vocabulary."""
    total = np.zeros(len(vocabulary.values), dtype=np.int64)
    for segment, places, selection in zip(segments, vocabulary.places, chosen, strict=True):
        codes = coded(segment.table, column)[1]
        total[places] += np.bincount(codes[selection], minlength=len(places))
    return total


def most_frequent(counts: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """Returns the places of the largest counts, the largest first, without those that are 0."""
    present = np.flatnonzero(counts)
    if len(present) > most:
        least = np.partition(counts[present], len(present) - most)[len(present) - most]
        present = present[counts[present] >= least]
    return present[np.lexsort((present, -counts[present]))][:most]


def compact(mask: Flags) -> Selection:
    """Returns a mask, as row numbers where they are few: each count then costs what it counts."""
    rows = int(np.count_nonzero(mask))
    return np.flatnonzero(mask) if rows * _SPARSE < len(mask) else mask


def selected(selection: Selection) -> int:
    """Returns how many rows a selection has."""
    return int(np.count_nonzero(selection)) if selection.dtype == np.bool_ else len(selection)
