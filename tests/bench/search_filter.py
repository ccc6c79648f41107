"""Filtered search: filters within the search against filters over what a search without them found."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from pairmill.store.directory import DirectoryStore
from pairmill_index.arrays import NO_ROW, Flags, Floats, Rows
from pairmill_index.manifest import Modality
from pairmill_index.opened import OpenSegment, open_index
from tests.bench.figures import Column, Figure, Result, Sample
from tests.bench.isolated import in_own_process
from tests.bench.search_build import ROOMY, ROWS, have_built
from tests.bench.search_found import Search, scores_of, shares_found, timed
from tests.bench.setup import Setup
from tests.bench.vectors import SearchWorld

SHARES: Final = (0.5, 0.1, 0.01, 0.001)  # of the rows that a filter admits
QUERIES: Final = 200
NEAREST: Final = 10
POST_DEPTHS: Final = (100, 1_000, 10_000)  # results of the search whose results are filtered

RECALL: Final = Figure("recall@10: filters within the search", "")
MILLISECONDS: Final = Figure("CPU time of a query: filters within the search", "ms")
MASK: Final = Figure("CPU time once per filter: bits of the rows", "ms")
POST: Final = {
    depth: (
        Figure(f"recall@10: filters over the {depth:,} nearest", ""),
        Figure(f"CPU time of a query: filters over the {depth:,} nearest", "ms"),
    )
    for depth in POST_DEPTHS
}
EXACT: Final = Figure("CPU time of a query: exact search of what is admitted", "ms")

Masks = Callable[[OpenSegment, float], Flags]


def benchmark(setup: Setup) -> Result:
    """Searches with filters of each selectivity, which say nothing of the vectors or something."""
    rows = setup.size(ROWS, least=60_000)
    world = SearchWorld.made(setup.folder("search"), rows)
    columns = []
    for label, masks in (("any rows", by_chance), ("rows on one side", by_side)):
        for share in SHARES:
            samples = [in_own_process(measure, world, masks, share) for _ in range(setup.runs)]
            columns.append(Column(label=f"{share * 100:g} %, {label}", samples=samples))
    return Result(
        name="search-filter",
        setup=f"{rows:,} vectors of 512 dimensions; the {NEAREST} nearest of {QUERIES} vectors that are not "
        "in the index, one at a time on one core; the first columns admit rows by chance, the others those "
        "farthest along one direction, as a score would that follows the pictures",
        columns=columns,
    )


def by_chance(segment: OpenSegment, share: float) -> Flags:
    """Admits rows by their ids."""
    admitted: Flags = segment.ids[:, 1] < np.uint64(int(share * 2**53) << 11)
    return admitted


def by_side(segment: OpenSegment, share: float) -> Flags:
    """Admits the rows that lie farthest along a direction of the vectors."""
    vectors = segment.vectors(Modality.IMAGE)
    direction = vectors[0].astype(np.float32) - vectors[1].astype(np.float32)
    blocks = range(0, len(vectors), 50_000)
    along = np.concatenate([vectors[at : at + 50_000].astype(np.float32) @ direction for at in blocks])
    admitted: Flags = along >= np.quantile(along, 1 - share)
    return admitted


def measure(world: SearchWorld, masks: Masks, share: float) -> Sample:
    """Builds the index unless it is there, and searches it with one filter."""
    have_built(world, ROOMY)
    with open_index(DirectoryStore(world.dataset), world.folder / "open") as index:
        segment, queries = index.segments[0], world.queries(QUERIES)
        mask = masks(segment, share)
        started = time.thread_time()
        admitted = segment.admitted(mask)
        once = (time.thread_time() - started) * 1000
        exact = segment.searcher(Modality.IMAGE).exact
        truth, exact_ms = timed(lambda query: exact(query[None], NEAREST, admitted)[1][0], queries)
        best = scores_of(segment.vectors(Modality.IMAGE), queries, truth)

        def found_by(search: Search) -> tuple[float, float]:
            found, milliseconds = timed(search, queries)
            scores = scores_of(segment.vectors(Modality.IMAGE), queries, found)
            return shares_found(scores, best)[NEAREST], float(np.median(milliseconds))

        within = found_by(
            lambda query: segment.search(Modality.IMAGE, query[None], NEAREST, mask=admitted)[1][0]
        )
        post: dict[Figure, float] = {}
        for depth, named in POST.items():
            over = found_by(partial(post_filtered, segment, mask, depth))
            post |= dict(zip(named, over, strict=True))
        return {
            RECALL: within[0],
            MILLISECONDS: within[1],
            MASK: once,
            **post,
            EXACT: float(np.median(exact_ms)),
        }


def post_filtered(segment: OpenSegment, mask: Flags, depth: int, query: Floats) -> Rows:
    """Returns what is left of a search without filters."""
    _, rows = segment.search(Modality.IMAGE, query[None], min(depth, segment.rows))
    left = rows[0][mask[rows[0]] & (rows[0] >= 0)][:NEAREST]
    return np.concatenate([left, np.full(NEAREST - len(left), NO_ROW, dtype=np.int64)])
