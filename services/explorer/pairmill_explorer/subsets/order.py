"""Chosen rows in an order over all segments, a window at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from pairmill.idarrays import Positions, Words, ascending
from pairmill_explorer.subsets.draws import draws_of
from pairmill_explorer.subsets.segments import Flags, SegmentRows, ids_at, runs

Keys: TypeAlias = npt.NDArray[np.uint64]
KeyOf: TypeAlias = Callable[[int, Positions, Words], Keys]
"""From a segment's number, rows and their ids to what orders them, `(n,)`, spread over all of uint64."""

WINDOW_ROWS: Final = 4_000_000
_BUCKET_BITS: Final = 16


@dataclass(frozen=True, slots=True)
class Places:
    """Rows of segments, in an order."""

    segment: npt.NDArray[np.int32]
    row: Positions

    def __len__(self) -> int:
        """Returns how many there are."""
        return len(self.row)

    def part(self, start: int, stop: int) -> Places:
        """Returns a run of them."""
        return Places(self.segment[start:stop], self.row[start:stop])


def ids_of(segments: Sequence[SegmentRows], places: Places) -> Words:
    """Returns the ids of rows in their order, `(n, 2) uint64`."""
    ids = np.empty((len(places), 2), dtype=np.uint64)
    for number in np.unique(places.segment):
        here = places.segment == number
        ids[here] = ids_at(segments[number], places.row[here])
    return ids


def by_id(number: int, rows: Positions, ids: Words) -> Keys:
    """Orders by id."""
    return np.ascontiguousarray(ids[:, 0])


def shuffled(seed: int) -> KeyOf:
    """Orders at random, the same for the same seed."""
    return lambda number, rows, ids: draws_of(ids, seed)


def in_order(
    segments: Sequence[SegmentRows], flags: Sequence[Flags], key_of: KeyOf, most: int = WINDOW_ROWS
) -> Iterator[Places]:
    """Yields the rows whose flag is set, ascending by key, then by id, in windows of about `most` rows.

    Each window reads all ids once more, so memory is bounded whatever the number of rows.
    """
    counts = np.zeros(1 << _BUCKET_BITS, dtype=np.int64)
    for number, (segment, one) in enumerate(zip(segments, flags, strict=True)):
        for rows in runs(one):
            counts += np.bincount(
                _buckets(key_of(number, rows, ids_at(segment, rows))), minlength=len(counts)
            )
    for low, high in _windows(counts, most):
        yield _window(segments, flags, key_of, low, high)


def in_parts(windows: Iterator[Places], size: int) -> Iterator[Places]:
    """Yields the same rows in the same order, `size` at a time, fewer at the end."""
    held = Places(np.empty(0, np.int32), np.empty(0, np.int64))
    for window in windows:
        held = Places(np.concatenate([held.segment, window.segment]), np.concatenate([held.row, window.row]))
        whole = len(held) - len(held) % size
        for start in range(0, whole, size):
            yield held.part(start, start + size)
        held = held.part(whole, len(held))
    if len(held):
        yield held


def _windows(counts: npt.NDArray[np.int64], most: int) -> Iterator[tuple[int, int]]:
    """Yields runs of buckets that hold at most `most` rows, or are one bucket."""
    low, held = 0, 0
    for bucket, count in enumerate(counts.tolist()):
        if held and held + count > most:
            yield low, bucket
            low, held = bucket, 0
        held += count
    if held:
        yield low, len(counts)


def _window(
    segments: Sequence[SegmentRows], flags: Sequence[Flags], key_of: KeyOf, low: int, high: int
) -> Places:
    parts: list[tuple[npt.NDArray[np.int32], Positions, Keys, Words]] = []
    for number, (segment, one) in enumerate(zip(segments, flags, strict=True)):
        for rows in runs(one):
            ids = ids_at(segment, rows)
            keys = key_of(number, rows, ids)
            buckets = _buckets(keys)
            inside = (buckets >= low) & (buckets < high)
            count = int(np.count_nonzero(inside))
            parts.append((np.full(count, number, np.int32), rows[inside], keys[inside], ids[inside]))
    numbers, places, order, names = (np.concatenate(column) for column in zip(*parts, strict=True))
    positions = ascending(order, names)
    return Places(numbers[positions], places[positions])


def _buckets(keys: Keys) -> npt.NDArray[np.int64]:
    return (keys >> np.uint64(64 - _BUCKET_BITS)).astype(np.int64)
