"""Copies and near-duplicates among the pictures that arrive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

HASH_MARGIN: Final = 4
"""Bits by which a distance has to be clear of the limit: who hashes another way may see a few more."""

_ROWS_AT_ONCE: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One sample: what it is a copy of, and how it looks."""

    sample: str  # id, hex
    content: str  # SHA-256 of the bytes, hex
    phash: int


def cluster_ids(seen: Sequence[Seen], max_distance: int) -> Mapping[str, str]:
    """Returns the cluster of each sample: the smallest id among its copies and their direct neighbours.

    Each content is looked at through its copy with the smallest id; there is no chain of neighbours.
    """
    chosen: dict[str, Seen] = {}
    for one in sorted(seen, key=lambda one: one.sample):
        chosen.setdefault(one.content, one)
    ordered = list(chosen.values())
    cluster = {one.content: one.sample for one in ordered}
    for first, second in near_pairs([one.phash for one in ordered], max_distance):
        content = ordered[second].content
        cluster[content] = min(cluster[content], ordered[first].sample)
    return {one.sample: cluster[one.content] for one in seen}


def near_pairs(hashes: Sequence[int], max_distance: int) -> Iterator[tuple[int, int]]:
    """Yields the places of all pairs, smaller first, whose hashes differ in at most so many bits."""
    if max_distance < 0:
        return
    words: npt.NDArray[np.uint64] = np.array(hashes, dtype=np.uint64)
    for start in range(0, len(words), _ROWS_AT_ONCE):
        block = words[start : start + _ROWS_AT_ONCE]
        near = np.bitwise_count(block[:, None] ^ words[None, :]) <= max_distance
        for row, column in zip(*np.nonzero(near), strict=True):
            if start + int(row) < int(column):
                yield start + int(row), int(column)


def distance(first: int, second: int) -> int:
    """Returns in how many bits two hashes differ."""
    return (first ^ second).bit_count()
