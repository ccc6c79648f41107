"""Rows of several segments side by side, for steps that compare them with each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pairmill.idarrays import Positions, Words
from pairmill_explorer.subsets.segments import Flags, SegmentRows, clusters_at, ids_at, runs

Order: TypeAlias = Callable[[int, Positions, Words], npt.NDArray[Any]]
"""From a segment's number, rows and their ids to what orders them, `(n,)`."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Rows of all segments side by side."""

    segment: npt.NDArray[np.int32]
    row: Positions
    ids: Words
    keys: npt.NDArray[Any]
    clusters: Words  # (0, 2) where they were not asked for

    def take(self, positions: Positions) -> Gathered:
        """Returns some of them."""
        clusters = self.clusters[positions] if len(self.clusters) else self.clusters
        return Gathered(
            self.segment[positions], self.row[positions], self.ids[positions], self.keys[positions], clusters
        )

    def with_more(self, other: Gathered) -> Gathered:
        """Returns these and others."""
        return Gathered(
            np.concatenate([self.segment, other.segment]),
            np.concatenate([self.row, other.row]),
            np.concatenate([self.ids, other.ids]),
            np.concatenate([self.keys, other.keys]),
            np.concatenate([self.clusters, other.clusters]),
        )

    def added_to(self, flags: Sequence[Flags]) -> tuple[Flags, ...]:
        """Returns flags with those of these rows set."""
        return self._with(flags, True)

    def taken_from(self, flags: Sequence[Flags]) -> tuple[Flags, ...]:
        """Returns flags without those of these rows."""
        return self._with(flags, False)

    def _with(self, flags: Sequence[Flags], value: bool) -> tuple[Flags, ...]:
        changed = tuple(one.copy() for one in flags)
        for number, one in enumerate(changed):
            one[self.row[self.segment == number]] = value
        return changed


def gathered(
    segments: Sequence[SegmentRows], flags: Sequence[Flags], order: Order, *, clusters: bool = False
) -> Gathered:
    """Returns the rows whose flag is set, with what orders them, and with their clusters if asked for."""
    nothing, none = np.empty((0, 2), dtype=np.uint64), np.empty(0, dtype=np.int64)
    keys = order(0, none, nothing) if len(segments) else none
    parts = [Gathered(none.astype(np.int32), none, nothing, keys, nothing)]
    for number, (segment, one) in enumerate(zip(segments, flags, strict=True)):
        for rows in runs(one):
            ids = ids_at(segment, rows)
            keys = order(number, rows, ids)
            names = clusters_at(segment, rows) if clusters else nothing
            parts.append(Gathered(np.full(len(rows), number, np.int32), rows, ids, keys, names))
    return Gathered(
        np.concatenate([part.segment for part in parts]),
        np.concatenate([part.row for part in parts]),
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.clusters for part in parts]),
    )
