"""What a request's rows are made of: counts of values, histograms of numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pairmill_explorer.datasets.served import Snapshot
from pairmill_explorer.errors import BadRequestError
from pairmill_explorer.search.collapse import Alike
from pairmill_explorer.search.conditions import (
    RANGES,
    WORD_COLUMNS,
    Conditions,
    conditions_of,
    conditions_of_all,
    hides_unsafe,
)
from pairmill_explorer.search.counting import (
    Edges,
    IntervalCache,
    Selection,
    Vocabulary,
    compact,
    interval_counts,
    intervals_of,
    most_frequent,
    selected,
    vocabulary_of,
    word_counts,
)
from pairmill_explorer.search.edges import edges_of
from pairmill_explorer.search.found import Found
from pairmill_explorer.search.query import modality_of
from pairmill_explorer.search.ranking import MAX_DEPTH, Ranking
from pairmill_explorer.search.searcher import Searcher, page_size
from pairmill_protos.explorer.v1.search_pb2 import Facet, Histogram, ValueCount
from pairmill_protos.explorer.v1.search_service_pb2 import GetFacetsRequest, GetFacetsResponse

BUCKETS: Final = "buckets"
FACETS: Final = (BUCKETS, *WORD_COLUMNS)
FIELDS: Final = (*FACETS, *RANGES)
_DEFAULT_DEPTH: Final = 1000
_DEFAULT_VALUES: Final = 20
_MOST_VALUES: Final = 200


class Facets:
    """Counts over snapshots. Thread-safe."""

    def __init__(self, searcher: Searcher, intervals: IntervalCache) -> None:
        self._searcher = searcher
        self._intervals = intervals
        self._fixed: dict[tuple[str, str], _Fixed] = {}

    def facets(self, snapshot: Snapshot, request: GetFacetsRequest) -> GetFacetsResponse:
        """Returns what a request's rows are made of; raises RequestError naming what is wrong with it."""
        fields = _checked_fields(request.fields)
        most = page_size(
            request.values if request.HasField("values") else None, _DEFAULT_VALUES, "values", _MOST_VALUES
        )
        of_all = conditions_of_all(snapshot.rules, hides=hides_unsafe(request.filters.safe_mode))
        is_of_all, chosen = self._selections(snapshot, request, of_all)
        facets = [field for field in FACETS if field in fields]
        ranges = [field for field in RANGES if field in fields]
        edges = self._fixed_for(snapshot).edges
        whole = self._whole_histograms(snapshot, of_all, ranges)
        if is_of_all:
            counted = self._whole_counts(snapshot, of_all, facets)
        else:
            counted = [self._counted(snapshot, field, chosen) for field in facets]
        return GetFacetsResponse(
            facets=[one.facet(most) for one in counted],
            histograms=whole
            if is_of_all
            else [self._histogram(snapshot, edges[field], chosen) for field in ranges],
            whole=whole,
            matching=sum(map(selected, chosen)),
            total=self._fixed_for(snapshot).total,
        )

    def _selections(
        self, snapshot: Snapshot, request: GetFacetsRequest, of_all: Conditions
    ) -> tuple[bool, Sequence[Selection]]:
        """Returns whether no filter leaves out any row, and the rows of each segment that count.

        A request is checked before any is looked at.
        """
        depth = page_size(
            request.depth if request.HasField("depth") else None, _DEFAULT_DEPTH, "depth", MAX_DEPTH
        )
        modality, conditions = modality_of(request.modality), conditions_of(request.filters, snapshot.rules)
        if not request.parts:
            chosen = [compact(one.flags) for one in self._searcher.met(snapshot, conditions)]
            return conditions == of_all, chosen
        query = self._searcher.query(snapshot, request.parts, modality)
        met = self._searcher.met(snapshot, conditions)
        found = self._searcher.ranked(snapshot, query, met, depth, Ranking(Alike()))
        return False, _by_segment(found, len(met))

    def _whole_histograms(
        self, snapshot: Snapshot, of_all: Conditions, fields: Sequence[str]
    ) -> list[Histogram]:
        """Returns histograms of the whole dataset, without what the safe mode hides; counted once."""
        fixed = self._fixed_for(snapshot)
        for field in fields:
            if (of_all, field) not in fixed.histograms:
                masks = self._searcher.masks(snapshot, of_all)
                fixed.histograms[of_all, field] = self._histogram(snapshot, fixed.edges[field], masks)
        return [fixed.histograms[of_all, field] for field in fields]

    def _whole_counts(self, snapshot: Snapshot, of_all: Conditions, fields: Sequence[str]) -> list[_Counted]:
        """Returns counts of values of the whole dataset, without what the safe mode hides; counted once."""
        known = self._fixed_for(snapshot).counts
        for field in fields:
            if (of_all, field) not in known:
                masks = self._searcher.masks(snapshot, of_all)
                known[of_all, field] = self._counted(snapshot, field, masks)
        return [known[of_all, field] for field in fields]

    def _histogram(self, snapshot: Snapshot, edges: Edges, chosen: Sequence[Selection]) -> Histogram:
        total = np.zeros(edges.intervals + 1, dtype=np.int64)
        for segment, selection in zip(snapshot.index.segments, chosen, strict=True):
            intervals = self._intervals.get_or_make(
                (snapshot.name, segment.segment.segment_id, edges),
                lambda segment=segment: intervals_of(segment.table, edges),  # type: ignore[misc]
            )
            total += interval_counts(intervals, selection, edges)
        *counts, unknown = total.tolist()
        return Histogram(field=edges.field, edges=edges.values, counts=counts, unknown=unknown)

    def _counted(self, snapshot: Snapshot, field: str, chosen: Sequence[Selection]) -> _Counted:
        if field == BUCKETS:
            return _bucket_counts(snapshot, chosen)
        column = WORD_COLUMNS[field]
        vocabulary = self._fixed_for(snapshot).vocabulary(snapshot, column)
        counts = word_counts(snapshot.index.segments, column, vocabulary, chosen)
        places = most_frequent(counts, _MOST_VALUES)
        names = vocabulary.values.take(places).to_pylist()
        pairs = [(str(name), count) for name, count in zip(names, counts[places].tolist(), strict=True)]
        return _Counted(field=field, pairs=pairs, total=int(counts.sum()))

    def _fixed_for(self, snapshot: Snapshot) -> _Fixed:
        """Returns what is the same for each request to an index version."""
        key = (snapshot.name, snapshot.index.version)
        found = self._fixed.get(key)
        if found is None:
            segments = snapshot.index.segments
            found = _Fixed(
                {field: edges_of(field, segments) for field in RANGES},
                total=sum(int(np.count_nonzero(segment.alive)) for segment in segments),
            )
            others = {other: fixed for other, fixed in self._fixed.items() if other[0] != snapshot.name}
            self._fixed = {**others, key: found}  # one version per dataset
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """How often the most frequent values of a field occur, as many as may be asked for."""

    field: str
    pairs: Sequence[tuple[str, int]]  # the most frequent first
    total: int  # of all values

    def facet(self, most: int) -> Facet:
        """Returns the first of them."""
        shown = self.pairs[:most]
        values = [ValueCount(value=value, count=count) for value, count in shown]
        return Facet(field=self.field, values=values, others=self.total - sum(count for _, count in shown))


class _Fixed:
    """What does not depend on a request."""

    def __init__(self, edges: Mapping[str, Edges], *, total: int) -> None:
        self.edges = edges
        self.total = total  # samples
        # Of the whole dataset, by what the safe mode hides, and field.
        self.histograms: dict[tuple[Conditions, str], Histogram] = {}
        self.counts: dict[tuple[Conditions, str], _Counted] = {}
        self._vocabularies: dict[str, Vocabulary] = {}

    def vocabulary(self, snapshot: Snapshot, column: str) -> Vocabulary:
        """Returns the values of a column, worked out when first needed."""
        found = self._vocabularies.get(column)
        if found is None:
            found = vocabulary_of(snapshot.index.segments, column)
            self._vocabularies[column] = found
        return found


def _checked_fields(given: Sequence[str]) -> frozenset[str]:
    for place, field in enumerate(given):
        if field not in FIELDS:
            raise BadRequestError(
                f"fields[{place}]", f"{field[:80]!r} cannot be counted; one of {', '.join(FIELDS)}"
            )
    return frozenset(given or FIELDS)


def _bucket_counts(snapshot: Snapshot, chosen: Sequence[Selection]) -> _Counted:
    counts: Counter[str] = Counter()
    for segment, rows in zip(snapshot.index.segments, chosen, strict=True):
        counts[segment.segment.bucket] += selected(rows)
    present = sorted((+counts).items(), key=lambda item: (-item[1], item[0]))
    return _Counted(field=BUCKETS, pairs=present, total=counts.total())


def _by_segment(found: Found, segments: int) -> Sequence[Selection]:
    return [found.rows[found.segments == place] for place in range(segments)]
