"""What conditions admit, without a query: in order of `sample_id`, over all segments."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import merge
from itertools import islice
from typing import Final

import numpy as np

from pairmill.idarrays import Words
from pairmill_explorer.search.found import Found
from pairmill_explorer.search.table import Flags, Rows
from pairmill_index.opened import OpenSegment

_BLOCK_ROWS: Final = 65_536

Id = tuple[int, int]


def list_after(
    segments: Sequence[OpenSegment], masks: Sequence[Flags], after: Id | None, count: int
) -> Found:
    """Returns the first admitted rows behind an id, from the start without one.

    Reads from there only as far as rows are found.
    """
    candidates = [
        _first_rows(mask, _start(segment.ids, after), count)
        for segment, mask in zip(segments, masks, strict=True)
    ]
    keyed = [
        _keyed(place, segment.ids[rows], rows)
        for place, (segment, rows) in enumerate(zip(segments, candidates, strict=True))
    ]
    first = list(islice(merge(*keyed), count))
    places = np.array([one[2] for one in first], dtype=np.int32)
    rows = np.array([one[3] for one in first], dtype=np.int64)
    return Found(segments=places, rows=rows, scores=np.full(len(rows), np.nan, dtype=np.float32))


def _keyed(place: int, ids: Words, rows: Rows) -> list[tuple[int, int, int, int]]:
    return [(high, low, place, row) for (high, low), row in zip(ids.tolist(), rows.tolist(), strict=True)]


def _start(ids: Words, after: Id | None) -> int:
    """Returns the first row behind an id."""
    if after is None or not len(ids):
        return 0
    low, high = 0, len(ids)
    while low < high:
        middle = (low + high) // 2
        if (int(ids[middle, 0]), int(ids[middle, 1])) <= after:
            low = middle + 1
        else:
            high = middle
    return low


def _first_rows(mask: Flags, start: int, count: int) -> Rows:
    """Returns the first admitted rows from a row on, read in blocks that grow."""
    parts, missing, size = [np.empty(0, dtype=np.int64)], count, 2 * count
    while missing and start < len(mask):
        parts.append(np.flatnonzero(mask[start : start + size])[:missing] + start)
        missing -= len(parts[-1])
        start += size
        size = min(4 * size, _BLOCK_ROWS)
    return np.concatenate(parts)
