"""Comparing some of the stored vectors exactly, picked out by their rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pairmill_index.arrays import NO_ROW, Floats, Found, Halves, Rows
from pairmill_index.faiss_adapter import ExactScan


def rescored(vectors: Halves, queries: Floats, candidates: Rows, k: int) -> Found:
    """Returns the k best of each query's candidates, `(q, c)` rows or -1, by their stored vectors."""
    scores, rows = nothing(len(queries), k)
    for number, found in enumerate(candidates):
        own = scored_rows(vectors, queries[number : number + 1], found[found >= 0], k)
        scores[number], rows[number] = own[0][0], own[1][0]
    return scores, rows


def scored_rows(
    vectors: Halves, queries: Floats, rows: npt.NDArray[np.signedinteger[Any]], k: int, *, threads: int = 1
) -> Found:
    """Returns the k best of a few rows for each query, best first, ties by row.

    Where there are fewer, the rest is -1 with score -inf. Vectors are copied and compared as they are
    stored: to widen them first takes several times as long.
    """
    if not len(rows):
        return nothing(len(queries), k)
    scores, places = ExactScan(vectors[rows]).search(queries, k, threads=threads)
    found = np.where(places >= 0, rows[places], np.int64(NO_ROW))
    order = np.lexsort((found, -scores), axis=1)
    lines = np.arange(len(queries))[:, None]
    return scores[lines, order], found[lines, order]


def nothing(queries: int, k: int) -> Found:
    """Returns what is found where there is nothing."""
    return np.full((queries, k), -np.inf, np.float32), np.full((queries, k), NO_ROW, np.int64)
