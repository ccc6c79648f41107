"""What a vector index finds, and how fast, against exact search; and how many lists it has to look into."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from pairmill_index.arrays import Flags, Floats, Halves, Rows
from pairmill_index.manifest import Measured, VectorIndex
from pairmill_index.vector_search import Admitted, VectorSearch

NEAR: Final = 10  # results of the searches that recall@1, recall@10 and latency are of
DEPTH: Final = 100  # and recall@100: a search for more looks into more lists
MOST_QUERIES: Final = 400
LEAST_QUERIES: Final = 64
_WORK_ROWS: Final = 400_000_000  # vectors compared to know what is to be found

Timer = Callable[[], float]


def queries_for(rows: int) -> int:
    """Returns how many held-out queries measure an index of that many rows."""
    return int(min(max(_WORK_ROWS // max(rows, 1), LEAST_QUERIES), MOST_QUERIES, max(rows // 4, 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Queries, and what exact search finds for them."""

    vectors: Floats  # (q, dimensions)
    own: Rows  # (q,) row that does not count, -1 where all do
    truth: Rows  # (q, DEPTH)


def held_out(
    search: VectorSearch, own: Halves, other: Halves, rows: Rows, admitted: Admitted, *, threads: int
) -> HeldOut:
    """Returns queries by the rows' own vectors, found without themselves, and by their other modality's."""
    half = len(rows) // 2
    vectors = np.concatenate([own[rows[:half]], other[rows[half:]]]).astype(np.float32)
    unfound = np.where(np.arange(len(rows)) < half, rows, -1)
    _, found = search.exact(vectors, DEPTH + 1, admitted, threads=threads)
    return HeldOut(vectors=vectors, own=unfound, truth=without(found, unfound)[:, :DEPTH])


def without(found: Rows, own: Rows) -> Rows:
    """Returns found rows without each query's own: one column less."""
    is_own: Flags = np.equal(found, own[:, None]).reshape(found.shape) & (found >= 0)
    last = np.zeros_like(is_own)
    last[:, -1] = True
    dropped = np.where((is_own.sum(axis=1) > 0)[:, None], is_own, last)
    return found[~dropped].reshape(len(found), -1)


def recall(found: Rows, truth: Rows, depth: int) -> float:
    """Returns the share of the `depth` nearest that are among the `depth` first that were found."""
    wanted = truth[:, :depth]
    hits = sum(
        len(np.intersect1d(a[a >= 0], b[b >= 0])) for a, b in zip(found[:, :depth], wanted, strict=True)
    )
    return hits / max(int((wanted >= 0).sum()), 1)


@dataclass(frozen=True, slots=True)
class Answers:
    """What searches for a number of results found."""

    rows: Rows  # (q, results)
    seconds: list[float]  # that each took

    def percentile(self, percent: int) -> float:
        """Returns the milliseconds within which so many percent of the searches answered."""
        return round(float(np.percentile(np.array(self.seconds) * 1000, percent)), 3)


def answers(
    search: VectorSearch, queries: HeldOut, depth: int, admitted: Admitted, probes: int, timer: Timer
) -> Answers:
    """Searches for `depth` results with that many lists, one query at a time, as users do.

    A query that is found without itself asks for one result more.
    """
    found, seconds = np.empty((len(queries.vectors), depth), dtype=np.int64), []
    for number, vector in enumerate(queries.vectors):
        own = queries.own[number : number + 1]
        has_own = bool(own[0] >= 0)
        started = timer()
        _, rows = search.search(vector[None], depth + has_own, admitted, probes)
        seconds.append(timer() - started)
        found[number] = (without(rows, own) if has_own else rows)[0]
    return Answers(found, seconds)


def measured(queries: HeldOut, near: Answers, deep: Answers) -> Measured:
    """Returns what searches for NEAR and for DEPTH results came to."""
    return Measured(
        queries=len(near.rows),
        recall_at_1=recall(near.rows, queries.truth, 1),
        recall_at_10=recall(near.rows, queries.truth, NEAR),
        recall_at_100=recall(deep.rows, queries.truth, DEPTH),
        p50_ms=near.percentile(50),
        p95_ms=near.percentile(95),
    )


def tuned(
    search: VectorSearch,
    index: VectorIndex,
    queries: HeldOut,
    admitted: Admitted,
    *,
    wanted_recall: float,
    latency_ms: float,
    timer: Timer = time.perf_counter,
) -> VectorIndex:
    """Returns the index with the fewest lists per query that reach a recall@10, and what was measured so.

    Where that takes longer than the latency budget, the most lists that keep to it.
    """
    best, taken, probes = None, 1, 1
    while probes <= index.lists:
        near = answers(search, queries, NEAR, admitted, probes, timer)
        if best is not None and near.percentile(95) > latency_ms:
            break
        best, taken = near, probes
        if recall(near.rows, queries.truth, NEAR) >= wanted_recall:
            break
        probes = next_probes(probes)
    if best is None:
        return index
    deep = answers(search, queries, DEPTH, admitted, taken, timer)
    return msgspec.structs.replace(index, probes=taken, measured=measured(queries, best, deep))


def next_probes(probes: int) -> int:
    """Returns the next number of lists to try: 1, 2, 3, 4, 6, 8, 12, 16 and so on."""
    power = 1 << (probes.bit_length() - 1)
    return probes + max(power // 2, 1)
