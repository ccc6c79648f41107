"""Adding samples to an index against building it anew."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Final

import numpy as np

from pairmill.dataset.reader import Dataset
from pairmill.store.directory import DirectoryStore
from pairmill_index.add import add_samples
from pairmill_index.arrays import Floats, Found
from pairmill_index.layout import FOLDER
from pairmill_index.manifest import Modality
from pairmill_index.opened import open_index
from tests.bench.figures import Column, Figure, Result, Sample
from tests.bench.isolated import CPU, in_own_process, metered
from tests.bench.search_build import BUDGETS, ROWS, build_own
from tests.bench.search_found import shares_found
from tests.bench.setup import Setup
from tests.bench.vectors import SearchWorld

ADDED: Final = 10_000
QUERIES: Final = 200
DEPTH: Final = 10

RECALL: Final = Figure("recall@10 of pictures then", "")
TIMES: Final = Figure("CPU time in relation to adding", "")


def benchmark(setup: Setup) -> Result:
    """Builds an index, adds samples to it, and builds it again with them."""
    rows = setup.size(ROWS, least=60_000)
    world = SearchWorld.made(setup.folder("search-add"), rows)
    added, rebuilt = [], []
    for _ in range(setup.runs):
        in_own_process(build_own, world, BUDGETS[0] * rows)
        in_own_process(grow, world)
        added.append(in_own_process(measure_add, world))
        rebuilt.append(in_own_process(measure_rebuild, world))
        rebuilt[-1] = {**rebuilt[-1], TIMES: rebuilt[-1][CPU] / added[-1][CPU]}
    return Result(
        name="search-add",
        setup=f"{ADDED:,} samples more for an index of {rows:,}, vectors of 512 dimensions of pictures and "
        "texts; in both the columns of all samples are read again, as they are in new files",
        columns=[Column(label="added", samples=added), Column(label="built anew", samples=rebuilt)],
    )


def grow(world: SearchWorld) -> None:
    """Publishes a version of the dataset with more samples."""
    dataset = world.state()
    dataset.add(ADDED)
    world.publish(dataset)


def measure_add(world: SearchWorld) -> Sample:
    """Adds what is new."""
    store = DirectoryStore(world.dataset)
    _, usage = metered(lambda: add_samples(Dataset.open(store), store, scratch=world.folder / "scratch"))
    return {**usage.figures(), RECALL: recall(world)}


def measure_rebuild(world: SearchWorld) -> Sample:
    """Builds anew; the budget is that of the first build for as many samples as there are now."""
    budget = BUDGETS[0] * len(world.state().ids)
    shutil.rmtree(world.dataset / FOLDER)
    _, usage = metered(lambda: build_own(world, budget))
    return {**usage.figures(), RECALL: recall(world)}


def recall(world: SearchWorld) -> float:
    """Returns the share of the nearest that a search over all segments finds."""
    queries = world.queries(QUERIES)
    with open_index(DirectoryStore(world.dataset), world.folder / "open") as index:
        found = [segment.search(Modality.IMAGE, queries, DEPTH) for segment in index.segments]
        exact = [
            segment.searcher(Modality.IMAGE).exact(queries, DEPTH, segment.admitted())
            for segment in index.segments
        ]
    return shares_found(merged(found), merged(exact))[DEPTH]


def merged(parts: Sequence[Found]) -> Floats:
    """Returns the best cosines of several segments, best first."""
    scores: Floats = np.concatenate([found for found, _ in parts], axis=1)
    return np.sort(scores, axis=1)[:, : -DEPTH - 1 : -1]
