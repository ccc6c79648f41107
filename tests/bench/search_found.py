"""What a search finds of what is nearest indeed, and the processor time of its queries."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from pairmill_index.arrays import Floats, Halves, Rows
from pairmill_index.manifest import Modality
from pairmill_index.opened import OpenSegment
from pairmill_index.options import cores
from pairmill_index.vector_search import Admitted

DEPTHS: Final = (1, 10, 100)
ROUNDING: Final = 1e-6  # of cosines

Search: TypeAlias = Callable[[Floats], Rows]
"""Finds the rows nearest to one query."""


def own_search(segment: OpenSegment, depth: int) -> Search:
    """Returns what finds the nearest pictures of one query."""
    return lambda query: segment.search(Modality.IMAGE, query[None], depth)[1][0]


def timed(search: Search, queries: Floats) -> tuple[Rows, list[float]]:
    """Returns what is found for each query, and the milliseconds of CPU time it took."""
    found, milliseconds = [], []
    for query in queries:
        started = time.thread_time()
        found.append(search(query))
        milliseconds.append((time.thread_time() - started) * 1000)
    return np.array(found), milliseconds


def recalls(segment: OpenSegment, queries: Floats, found: Rows) -> dict[int, float]:
    """Returns the share of the nearest rows of a segment that were found, for each depth that they go to."""
    scores = scores_of(segment.vectors(Modality.IMAGE), queries, found)
    return shares_found(scores, best_scores(segment, queries))


def best_scores(segment: OpenSegment, queries: Floats) -> Floats:
    """Returns the cosines of the nearest rows indeed."""
    search = segment.searcher(Modality.IMAGE)
    return search.exact(queries, max(DEPTHS), Admitted(None, segment.rows), threads=cores())[0]


def scores_of(vectors: Halves, queries: Floats, found: Rows) -> Floats:
    """Returns the cosines of what was found, `(q, depth)`, whatever its rows are called."""
    scores = np.einsum("qkd,qd->qk", vectors[found].astype(np.float32), queries)
    return np.where(found < 0, -np.inf, scores).astype(np.float32)


def shares_found(scores: Floats, best: Floats) -> dict[int, float]:
    """Returns recalls by the cosines of what was found and of what is nearest indeed."""
    return {
        depth: float((scores[:, :depth] >= best[:, depth - 1 : depth] - ROUNDING).mean())
        for depth in DEPTHS
        if depth <= scores.shape[1]
    }
