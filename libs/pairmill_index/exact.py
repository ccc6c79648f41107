"""Exact search: cosines with the stored vectors themselves, in blocks."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Halves: TypeAlias = npt.NDArray[np.float16]
Floats: TypeAlias = npt.NDArray[np.float32]
Rows: TypeAlias = npt.NDArray[np.int64]
Found: TypeAlias = tuple[Floats, Rows]

NO_ROW: Final = -1
_BLOCK_ROWS: Final = 8192


def search_exact(vectors: Halves, queries: Floats, k: int, rows: Rows | None = None) -> Found:
    """Returns the k best rows of each query by inner product, best first, ties by row.

    `queries` are `(q, dimensions)` unit vectors. With `rows`, ascending, only these take part. Where there
    are fewer than k, the rest has row -1 and score -inf.
    """
    count = len(vectors) if rows is None else len(rows)
    best = _nothing(len(queries), 0)
    for start in range(0, count, _BLOCK_ROWS):
        stop = min(start + _BLOCK_ROWS, count)
        chosen = np.arange(start, stop) if rows is None else rows[start:stop]
        block = vectors[start:stop] if rows is None else vectors[chosen]
        scores = queries @ block.astype(np.float32).T
        numbers = np.broadcast_to(chosen, scores.shape)
        best = best_of(np.hstack([best[0], scores]), np.hstack([best[1], numbers]), k)
    return padded(best, k)


def rescore(vectors: Halves, queries: Floats, candidates: Rows, k: int) -> Found:
    """Returns the k best of each query's candidates, `(q, c)` rows or -1, by their stored vectors."""
    safe = np.maximum(candidates, 0)
    scores = np.empty(candidates.shape, dtype=np.float32)
    for query, (row, vector) in enumerate(zip(safe, queries, strict=True)):
        scores[query] = vectors[row].astype(np.float32) @ vector
    scores[candidates < 0] = -np.inf
    return padded(best_of(scores, candidates, k), k)


def best_of(scores: Floats, rows: Rows, k: int) -> Found:
    """Returns the k best columns of each line, best first, ties by row."""
    if scores.shape[1] > k:
        cut = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        scores, rows = np.take_along_axis(scores, cut, 1), np.take_along_axis(rows, cut, 1)
    order = np.lexsort((rows, -scores), axis=1)
    return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)


def padded(found: Found, k: int) -> Found:
    """Returns found rows with k columns: missing ones have row -1 and score -inf."""
    scores, rows = found
    rows = np.where(np.isneginf(scores), NO_ROW, rows)
    if scores.shape[1] >= k:
        return scores, rows
    full_scores, full_rows = _nothing(len(scores), k)
    full_scores[:, : scores.shape[1]], full_rows[:, : rows.shape[1]] = scores, rows
    return full_scores, full_rows


def _nothing(queries: int, k: int) -> Found:
    return np.full((queries, k), -np.inf, dtype=np.float32), np.full((queries, k), NO_ROW, dtype=np.int64)
