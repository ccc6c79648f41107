"""The smallest draws of each group, against sorting all of them, and in how much memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from pairmill_explorer.subsets.choice import total
from pairmill_explorer.subsets.draws import draws_of
from pairmill_explorer.subsets.segments import Groups
from pairmill_explorer.subsets.smallest import MOST_COMPARED, smallest_draws
from pairmill_index.manifest import Segment
from tests.fakes.made_segments import MadeSegment, make_segments

Flags = npt.NDArray[np.bool_]


def sorted_choice(
    segments: Sequence[MadeSegment], flags: Sequence[Flags], groups: Groups, limit: int, seed: int
) -> set[tuple[int, int]]:
    """The same by sorting: segments and rows."""
    rows = [
        (int(groups.codes[number][row]), int(draws_of(segment.ids[row : row + 1], seed)[0]), number, int(row))
        for number, segment in enumerate(segments)
        for row in np.flatnonzero(flags[number])
    ]
    ranks = dict.fromkeys(range(len(groups.values)), 0)
    chosen = set()
    for code, _, number, row in sorted(rows):
        if ranks[code] < limit:
            chosen.add((number, row))
        ranks[code] += 1
    return chosen


@pytest.mark.parametrize("most_compared", [0, 1, 30, MOST_COMPARED])
@pytest.mark.parametrize("limit", [1, 7, 120, 10_000])
@pytest.mark.parametrize("column", ["", "language", "host"])
def test_the_smallest_draws_are_those_of_sorting(column: str, limit: int, most_compared: int) -> None:
    """With as many passes as it takes."""
    segments = make_segments(700, 3)
    draw = np.random.default_rng(1)
    flags = [draw.random(len(segment.ids)) < 0.8 for segment in segments]
    groups = Groups.of(segments, column)
    chosen = smallest_draws(segments, flags, groups, limit, 5, most_compared)
    found = {(number, int(row)) for number, one in enumerate(chosen) for row in np.flatnonzero(one)}
    assert found == sorted_choice(segments, flags, groups, limit, 5)


def test_draws_of_one_corner_are_told_apart_too() -> None:
    """As behind a share, which leaves the smallest draws alone."""
    segments = make_segments(2000, 4)
    groups = Groups.of(segments, "")
    few = smallest_draws(segments, [np.ones(len(one.ids), np.bool_) for one in segments], groups, 300, 9)
    chosen = smallest_draws(segments, few, groups, 100, 9, 10)
    found = {(number, int(row)) for number, one in enumerate(chosen) for row in np.flatnonzero(one)}
    assert found == sorted_choice(segments, few, groups, 100, 9)


def test_more_full_groups_than_are_compared_at_once_take_no_pass_for_each_bit() -> None:
    """At each edge stands a row, so no pass leaves fewer; each pass reads all ids."""
    reads: list[str] = []

    class Read(MadeSegment):
        def __getattribute__(self, name: str) -> Any:
            if name == "ids":
                reads.append(name)
            return super().__getattribute__(name)

    rows = np.random.default_rng(4).integers(0, 2**64, (3000, 2), dtype=np.uint64)
    segment = Read(
        segment=Segment(segment_id="s", bucket="en", rows=3000, files=(), indices=()),
        table=pa.table(
            {"host": pa.array([f"h{row % 1000}.test" for row in range(3000)]).dictionary_encode()}
        ),
        ids=np.asfortranarray(rows),
        alive=np.ones(3000, dtype=np.bool_),
        stored=np.empty((0, 1), dtype=np.float16),
    )
    flags, groups = [np.ones(3000, dtype=np.bool_)], Groups.of([segment], "host")
    chosen = smallest_draws([segment], flags, groups, 1, 5, most_compared=100)
    assert len(reads) <= 4, "a pass or two, the split, and those at the edges"
    found = {(0, int(row)) for row in np.flatnonzero(chosen[0])}
    assert found == sorted_choice([segment], flags, groups, 1, 5)


def test_memory_holds_flags_and_counts_whatever_the_size() -> None:
    """Of a million rows half a million: their ids alone would take 8 MB, and sorting them 50 MB more."""
    rows = 1_000_000
    draw = np.random.default_rng(2)
    ids = np.asfortranarray(draw.integers(0, 2**64, (rows, 2), dtype=np.uint64))
    segment = MadeSegment(
        segment=Segment(segment_id="s", bucket="en", rows=rows, files=(), indices=()),
        table=pa.table({"nothing": pa.nulls(rows)}),
        ids=ids,
        alive=np.ones(rows, dtype=np.bool_),
        stored=np.empty((0, 1), dtype=np.float16),
    )
    flags, groups = [np.ones(rows, dtype=np.bool_)], Groups.of([segment], "")
    tracemalloc.start()
    chosen = smallest_draws([segment], flags, groups, rows // 2, 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total(chosen) == rows // 2
    assert peak < 30e6  # flags of three choices, and a run of rows at a time
