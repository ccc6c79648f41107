"""Near-duplicates among a query's results: which stay, and how much is held meanwhile."""

from __future__ import annotations

import tracemalloc
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa

from pairmill_explorer.search.collapse import Alike
from pairmill_explorer.subsets.query import unlike
from pairmill_index.manifest import Modality, Segment
from pairmill_index.opened import OpenIndex
from tests.fakes.made_segments import MadeSegment

ROWS = 1_000_000


def segment_of(count: int) -> MadeSegment:
    """Returns rows with ascending ids, two by two of one look."""
    numbers = np.arange(count, dtype=np.uint64)
    looks = (numbers // np.uint64(2)) * np.uint64(0x9E3779B97F4A7C15)
    return MadeSegment(
        segment=Segment(segment_id="s", bucket="en", rows=count, files=(), indices=()),
        table=pa.table({"phash": looks}),
        ids=np.asfortranarray(np.stack([numbers, numbers], axis=1)),
        alive=np.ones(count, dtype=np.bool_),
        stored=np.zeros((0, 0), dtype=np.float16),
    )


def test_what_is_held_to_compare_results_does_not_grow_with_what_the_filters_admit() -> None:
    segment: Any = segment_of(ROWS)
    index = cast(OpenIndex, SimpleNamespace(segments=[segment], manifest=SimpleNamespace(dimensions=0)))
    admitted, scores = [np.ones(ROWS, np.bool_)], [np.linspace(1, 0, ROWS, dtype=np.float32)]
    tracemalloc.start()
    try:
        (stays,) = unlike(index, admitted, scores, Modality.IMAGE, Alike(phash_distance=0), 5)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.flatnonzero(stays).tolist() == [0, 2, 4, 6, 8]
    assert peak < 24 * ROWS, f"{peak / ROWS:.0f} bytes for each row that is admitted"
