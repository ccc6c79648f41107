"""Which rows of a segment meet conditions. Kept for the next request: facets and pages ask the same again."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final, TypeAlias

import numpy as np

from pairmill_explorer.caching import ByteCache
from pairmill_explorer.search.clauses import Clause
from pairmill_explorer.search.conditions import Conditions, SafetyRules, conditions_of
from pairmill_explorer.search.table import Flags
from pairmill_index.opened import OpenIndex, OpenSegment
from pairmill_protos.explorer.v1.search_pb2 import Filters

_OVERHEAD_BYTES: Final = 200

MaskCache: TypeAlias = ByteCache[Hashable, Flags]


def mask_cache(max_bytes: int) -> MaskCache:
    """Returns a place for so many bytes of masks."""
    return ByteCache(max_bytes, lambda mask: mask.nbytes + _OVERHEAD_BYTES)


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
        key = (self._scope, index.version, segment.segment.segment_id, conditions)
        return self._cache.get_or_make(key, lambda: self._whole(segment, conditions))

    def all_of(self, index: OpenIndex, conditions: Conditions) -> Sequence[Flags]:
        """Returns the masks of all segments, in their order."""
        return [self.of(index, segment, conditions) for segment in index.segments]

    def _whole(self, segment: OpenSegment, conditions: Conditions) -> Flags:
        if not conditions.wants(segment.segment.bucket):
            return _sealed(np.zeros(segment.rows, dtype=np.bool_))
        met = np.array(segment.alive, dtype=np.bool_)
        for clause in conditions.clauses:
            met &= self._single(segment, clause)
        return _sealed(met)

    def _single(self, segment: OpenSegment, clause: Clause) -> Flags:
        key = (self._scope, segment.segment.segment_id, clause)
        return self._cache.get_or_make(key, lambda: _sealed(clause.holds(segment.table)))


def _sealed(mask: Flags) -> Flags:
    mask.setflags(write=False)
    return mask
