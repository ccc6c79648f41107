"""Ordering candidates by their stored vectors."""

from __future__ import annotations

import numpy as np

from pairmill_index.arrays import NO_ROW, Floats, Found, Halves, Rows


def rescored(vectors: Halves, queries: Floats, candidates: Rows, k: int) -> Found:
    """Returns the k best of each query's candidates, `(q, c)` rows or -1, by their stored vectors."""
    scores = np.empty(candidates.shape, dtype=np.float32)
    for query, (rows, vector) in enumerate(zip(candidates, queries, strict=True)):
        np.dot(vectors[rows].astype(np.float32), vector, out=scores[query])  # -1 is the last row
    scores[candidates < 0] = -np.inf
    return best_of(scores, candidates, k)


def scored_rows(vectors: Halves, queries: Floats, rows: Rows, k: int) -> Found:
    """Returns the k best of a few rows for each query."""
    scores = queries @ vectors[rows].astype(np.float32).T
    return best_of(scores, np.broadcast_to(rows, scores.shape), k)


def best_of(scores: Floats, rows: Rows, k: int) -> Found:
    """Returns the k best columns of each line, best first, ties by row; -1 with score -inf for the rest."""
    if scores.shape[1] > k:
        cut = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        scores, rows = np.take_along_axis(scores, cut, 1), np.take_along_axis(rows, cut, 1)
    order = np.lexsort((rows, -scores), axis=1)
    scores, rows = np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
    return padded(scores, np.where(np.isneginf(scores), NO_ROW, rows), k)


def padded(scores: Floats, rows: Rows, k: int) -> Found:
    """Returns found rows with k columns."""
    missing = k - scores.shape[1]
    if missing <= 0:
        return scores, rows
    fill = ((0, 0), (0, missing))
    return (
        np.pad(scores, fill, constant_values=-np.inf),
        np.pad(rows, fill, constant_values=NO_ROW),
    )
