"""What a request's rows are made of: counts of values, histograms of numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
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
from pairmill_protos.explorer.v1.search_pb2 import Facet, Filters, Histogram, ValueCount
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
        chosen = self._selections(snapshot, request)
        edges = self._fixed_for(snapshot).edges
        ranges = [field for field in RANGES if field in fields]
        return GetFacetsResponse(
            facets=[self._facet(snapshot, field, chosen, most) for field in FACETS if field in fields],
            histograms=[self._histogram(snapshot, edges[field], chosen) for field in ranges],
            whole=self._whole(snapshot, request.filters, edges, ranges),
            matching=sum(selected(selection) for selection in chosen),
            total=sum(int(np.count_nonzero(segment.alive)) for segment in snapshot.index.segments),
        )

    def _selections(self, snapshot: Snapshot, request: GetFacetsRequest) -> Sequence[Selection]:
        """Returns the rows of each segment that count; a request is checked before any is looked at."""
        depth = page_size(
            request.depth if request.HasField("depth") else None, _DEFAULT_DEPTH, "depth", MAX_DEPTH
        )
        modality, conditions = modality_of(request.modality), conditions_of(request.filters, snapshot.rules)
        if not request.parts:
            return [compact(one.flags) for one in self._searcher.met(snapshot, conditions)]
        query = self._searcher.query(snapshot, request.parts, modality)
        met = self._searcher.met(snapshot, conditions)
        found = self._searcher.ranked(snapshot, query, met, depth, Ranking(Alike()))
        return _by_segment(found, len(met))

    def _whole(
        self, snapshot: Snapshot, filters: Filters, edges: Mapping[str, Edges], fields: Sequence[str]
    ) -> list[Histogram]:
        """Returns histograms of the whole dataset, without what the safe mode hides; counted once."""
        conditions = conditions_of_all(snapshot.rules, hides=hides_unsafe(filters.safe_mode))
        known = self._fixed_for(snapshot).whole
        masks = self._searcher.masks(snapshot, conditions)
        for field in fields:
            if (conditions, field) not in known:
                known[conditions, field] = self._histogram(snapshot, edges[field], masks)
        return [known[conditions, field] for field in fields]

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

    def _facet(self, snapshot: Snapshot, field: str, chosen: Sequence[Selection], most: int) -> Facet:
        if field == BUCKETS:
            return _bucket_facet(snapshot, chosen, most)
        column = WORD_COLUMNS[field]
        vocabulary = self._fixed_for(snapshot).vocabulary(snapshot, column)
        counts = word_counts(snapshot.index.segments, column, vocabulary, chosen)
        places = most_frequent(counts, most)
        names = vocabulary.values.take(places).to_pylist()
        pairs = [(str(name), count) for name, count in zip(names, counts[places].tolist(), strict=True)]
        return _facet(field, pairs, int(counts.sum()))

    def _fixed_for(self, snapshot: Snapshot) -> _Fixed:
        """Returns what is the same for each request to an index version."""
        key = (snapshot.name, snapshot.index.version)
        found = self._fixed.get(key)
        if found is None:
            found = _Fixed({field: edges_of(field, snapshot.index.segments) for field in RANGES})
            others = {other: fixed for other, fixed in self._fixed.items() if other[0] != snapshot.name}
            self._fixed = {**others, key: found}  # one version per dataset
        return found


class _Fixed:
    """What does not depend on a request."""

    def __init__(self, edges: Mapping[str, Edges]) -> None:
        self.edges = edges
        self.whole: dict[tuple[Conditions, str], Histogram] = {}  # by what the safe mode hides, and field
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


def _bucket_facet(snapshot: Snapshot, chosen: Sequence[Selection], most: int) -> Facet:
    counts: Counter[str] = Counter()
    for segment, rows in zip(snapshot.index.segments, chosen, strict=True):
        counts[segment.segment.bucket] += selected(rows)
    present = sorted((+counts).items(), key=lambda item: (-item[1], item[0]))
    return _facet(BUCKETS, present[:most], counts.total())


def _facet(field: str, shown: Sequence[tuple[str, int]], total: int) -> Facet:
    values = [ValueCount(value=value, count=count) for value, count in shown]
    return Facet(field=field, values=values, others=total - sum(count for _, count in shown))


def _by_segment(found: Found, segments: int) -> Sequence[Selection]:
    return [found.rows[found.segments == place] for place in range(segments)]
