"""A query of a subset: every admitted row is compared, so that nothing depends on an index's lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from pairmill.idarrays import ascending
from pairmill_explorer.search.collapse import Alike, Collapser, looks_of
from pairmill_explorer.search.found import Found
from pairmill_explorer.subsets.choice import nearest
from pairmill_explorer.subsets.gathered import Gathered, gathered
from pairmill_explorer.subsets.segments import Flags, SegmentRows, runs
from pairmill_index.manifest import Modality
from pairmill_index.opened import OpenIndex

Vector = npt.NDArray[np.float32]

MAX_WALKED: Final = 100_000
"""Results among which near-duplicates are looked for at most."""

_BLOCK_ROWS: Final = 1 << 14
_BLOCK_RESULTS: Final = 1 << 12


def exact_scores(
    segments: Sequence[SegmentRows],
    admitted: Sequence[Flags],
    modality: Modality,
    vector: Vector,
    check: Callable[[], None] = lambda: None,
) -> list[npt.NDArray[np.float32]]:
    """Returns the cosine of each admitted row with a unit vector, `(rows,)` per segment; −inf for others."""
    found = []
    for segment, flags in zip(segments, admitted, strict=True):
        scores = np.full(len(flags), -np.inf, dtype=np.float32)
        stored = segment.vectors(modality) if flags.any() else None
        for rows in runs(flags, _BLOCK_ROWS):
            assert stored is not None
            check()
            whole = len(rows) == rows[-1] - rows[0] + 1
            block = stored[rows[0] : rows[-1] + 1] if whole else stored[rows]
            scores[rows] = block.astype(np.float32) @ vector
        found.append(scores)
    return found


def unlike(
    index: OpenIndex,
    admitted: Sequence[Flags],
    scores: Sequence[npt.NDArray[np.float32]],
    modality: Modality,
    rule: Alike,
    limit: int,
) -> tuple[Flags, ...]:
    """Returns the `limit` nearest admitted rows, those alike to a nearer one left out as in search."""
    walked = nearest(index.segments, admitted, scores, MAX_WALKED)  # before anything is held for each row
    rows = gathered(index.segments, walked, lambda number, rows, ids: -scores[number][rows])
    order = ascending(rows.keys, rows.ids)
    ordered, collapser = rows.take(order), Collapser(rule)
    empty = tuple(np.zeros(len(flags), dtype=np.bool_) for flags in admitted)
    stays = np.empty(0, dtype=np.int64)
    for start in range(0, len(order), _BLOCK_RESULTS):
        block = ordered.take(np.arange(start, min(start + _BLOCK_RESULTS, len(order))))
        kept = collapser.feed(looks_of(index, _found(block), modality, rule))
        stays = np.concatenate([stays, np.flatnonzero(kept) + start])
        if len(stays) >= limit:
            break
    return ordered.take(stays[:limit]).added_to(empty)


def _found(rows: Gathered) -> Found:
    return Found(segments=rows.segment, rows=rows.row, scores=-rows.keys)
