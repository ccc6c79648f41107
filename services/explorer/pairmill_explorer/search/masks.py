"""Which rows of a segment meet conditions. Kept for the next request: facets and pages ask the same again."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np

from pairmill_explorer.caching import ByteCache
from pairmill_explorer.search.clauses import Clause
from pairmill_explorer.search.conditions import Conditions, SafetyRules, conditions_of
from pairmill_explorer.search.table import Flags
from pairmill_index.opened import OpenIndex, OpenSegment
from pairmill_index.vector_search import Admitted, kept_bytes
from pairmill_protos.explorer.v1.search_pb2 import Filters

_OVERHEAD_BYTES: Final = 200


class Met:
    """Which rows of a segment meet conditions; what follows from it is made when it is first asked for."""

    def __init__(self, flags: Flags, key_bytes: int) -> None:
        """`flags` is `(rows,)` and not written to any more; `key_bytes` is what the conditions hold."""
        flags.setflags(write=False)
        self.flags = flags
        self._key_bytes = key_bytes

    @cached_property
    def count(self) -> int:
        """How many rows do."""
        return int(np.count_nonzero(self.flags))

    @cached_property
    def admitted(self) -> Admitted:
        """The same for searches; removed rows are not to be among those that meet the conditions."""
        return Admitted(self.flags, len(self.flags))

    @property
    def nbytes(self) -> int:
        """Bytes that it holds at most with its key, once it was searched with."""
        return self.flags.nbytes + kept_bytes(len(self.flags)) + self._key_bytes + _OVERHEAD_BYTES


MaskCache: TypeAlias = ByteCache[Hashable, Met]


def mask_cache(max_bytes: int) -> MaskCache:
    """Returns a place for so many bytes of masks."""
    return ByteCache(max_bytes, lambda met: met.nbytes)


def mask_of(segment: OpenSegment, filters: Filters, rules: SafetyRules) -> Flags:
    """Returns which rows of a segment filters admit, `(rows,)`; removed ones are never among them."""
    return evaluated(segment, conditions_of(filters, rules))


def evaluated(segment: OpenSegment, conditions: Conditions) -> Flags:
    """Returns which rows of a segment meet conditions and were not removed, `(rows,)`."""
    if not conditions.wants(segment.segment.bucket):
        return np.zeros(segment.rows, dtype=np.bool_)
    met = np.array(segment.alive, dtype=np.bool_)
    for clause in conditions.clauses:
        met &= clause.holds(segment.table)
    return met


class Masks:
    """Masks of the segments of one dataset. Thread-safe.

    What a single condition says of a segment holds as long as the segment, which is never written again;
    all of them together, with what was removed, as long as the index version.
    """

    def __init__(self, scope: str, cache: MaskCache) -> None:
        """`scope` tells datasets apart that share a cache."""
        self._scope = scope
        self._cache = cache

    def of(self, index: OpenIndex, segment: OpenSegment, conditions: Conditions) -> Flags:
        """Returns which rows of a segment meet conditions and were not removed; not to be written to."""
        return self.met(index, segment, conditions).flags

    def met(self, index: OpenIndex, segment: OpenSegment, conditions: Conditions) -> Met:
        """Returns the same with what follows from it."""
        key = (self._scope, index.version, segment.segment.segment_id, conditions)
        return self._cache.get_or_make(key, lambda: self._whole(segment, conditions))

    def all_of(self, index: OpenIndex, conditions: Conditions) -> Sequence[Flags]:
        """Returns the masks of all segments, in their order."""
        return [self.of(index, segment, conditions) for segment in index.segments]

    def met_in_all(self, index: OpenIndex, conditions: Conditions) -> Sequence[Met]:
        """Returns the same of all segments, in their order."""
        return [self.met(index, segment, conditions) for segment in index.segments]

    def _whole(self, segment: OpenSegment, conditions: Conditions) -> Met:
        if not conditions.wants(segment.segment.bucket):
            return Met(np.zeros(segment.rows, dtype=np.bool_), conditions.nbytes)
        met = np.array(segment.alive, dtype=np.bool_)
        for clause in conditions.clauses:
            met &= self._single(segment, clause)
        return Met(met, conditions.nbytes)

    def _single(self, segment: OpenSegment, clause: Clause) -> Flags:
        key = (self._scope, segment.segment.segment_id, clause)
        return self._cache.get_or_make(key, lambda: Met(clause.holds(segment.table), clause.nbytes)).flags
