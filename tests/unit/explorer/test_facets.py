"""Counts and histograms, of what is admitted or of a query's results."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from pairmill_explorer.datasets.served import Snapshot
from pairmill_explorer.errors import BadRequestError
from pairmill_explorer.search.counting import interval_cache
from pairmill_explorer.search.edges import edges_of
from pairmill_explorer.search.facets import FACETS, Facets
from pairmill_explorer.search.masks import mask_cache
from pairmill_explorer.search.searcher import Searcher
from pairmill_protos.explorer.v1.search_pb2 import Filters, Histogram, QueryPart, Range, SafeMode
from pairmill_protos.explorer.v1.search_service_pb2 import GetFacetsRequest, GetFacetsResponse, SearchRequest
from tests.fakes.index_world import IndexWorld

SHOW = Filters(safe_mode=SafeMode.SAFE_MODE_SHOW)
COLUMNS = {
    "buckets": "bucket",
    "languages": "language",
    "verdicts": "verdict",
    "reasons": "reason",
    "hosts": "host",
    "crawls": "crawl",
    "licences": "licence",
}


@pytest.fixture
def snapshot(world: IndexWorld) -> Snapshot:
    return world.snapshot()


def ask(snapshot: Snapshot, request: GetFacetsRequest) -> GetFacetsResponse:
    searcher = Searcher(mask_cache(10**7), results_bytes=10**6)
    return Facets(searcher, interval_cache(10**7)).facets(snapshot, request)


def histogram(answer: GetFacetsResponse, field: str) -> Histogram:
    return next(one for one in answer.histograms if one.field == field)


def test_values_are_counted_over_all_segments(snapshot: Snapshot, world: IndexWorld) -> None:
    filters = Filters(safe_mode=SafeMode.SAFE_MODE_SHOW, width=Range(max=800))
    answer = ask(snapshot, GetFacetsRequest(filters=filters, values=200))
    narrow = world.rows.filter(pa.array(world.rows["width"].to_numpy() <= 800))
    assert [facet.field for facet in answer.facets] == list(FACETS)
    for facet in answer.facets:
        counts = Counter(narrow[COLUMNS[facet.field]].to_pylist())
        shown = {value.value: value.count for value in facet.values}
        assert all(counts[value] == count for value, count in shown.items()), facet.field
        assert facet.others == counts.total() - sum(shown.values())
        assert [value.count for value in facet.values] == [count for _, count in counts.most_common(200)]
    assert answer.matching == len(narrow)
    assert answer.total == len(world.rows)


def test_of_many_values_the_most_frequent_are_shown(snapshot: Snapshot, world: IndexWorld) -> None:
    answer = ask(snapshot, GetFacetsRequest(filters=SHOW, values=3, fields=["hosts"]))
    counts = Counter(world.rows["host"].to_pylist())
    (facet,) = answer.facets
    assert [value.count for value in facet.values] == [count for _, count in counts.most_common(3)]
    assert facet.others == counts.total() - sum(value.count for value in facet.values)
    assert not answer.histograms


@pytest.mark.parametrize(
    "field", ["similarity", "unsafe_score", "aesthetic_score", "width", "height", "aspect"]
)
def test_a_histogram_holds_every_row_once(snapshot: Snapshot, world: IndexWorld, field: str) -> None:
    answer = ask(snapshot, GetFacetsRequest(filters=SHOW, fields=[field]))
    found = histogram(answer, field)
    if field == "aspect":
        height = world.rows["height"].to_numpy()
        values = np.where(height > 0, world.rows["width"].to_numpy() / np.maximum(height, 1), np.nan)
    else:
        values = world.rows[field].to_numpy().astype(np.float64)
    known = values[~np.isnan(values)]
    expected, _ = np.histogram(
        known.astype(np.float32) if field != "aspect" else known, bins=list(found.edges)
    )
    assert found.unknown == len(values) - len(known)
    assert sum(found.counts) == len(known)
    assert np.abs(np.array(found.counts) - expected).sum() <= 0.02 * len(known)  # floats at an edge
    assert list(found.edges) == sorted(found.edges)
    assert list(answer.whole[0].counts) == list(found.counts)


def test_the_edges_do_not_depend_on_the_filters(snapshot: Snapshot) -> None:
    wide = ask(snapshot, GetFacetsRequest(filters=SHOW, fields=["width"]))
    narrow = ask(snapshot, GetFacetsRequest(filters=Filters(width=Range(max=200)), fields=["width"]))
    assert list(wide.histograms[0].edges) == list(narrow.histograms[0].edges)
    assert sum(narrow.histograms[0].counts) < sum(wide.histograms[0].counts)
    assert sum(narrow.whole[0].counts) > sum(narrow.histograms[0].counts)


def test_a_query_counts_its_first_results_alone(snapshot: Snapshot, world: IndexWorld) -> None:
    parts = [QueryPart(sample_id=world.ids()[0])]
    answer = ask(
        snapshot, GetFacetsRequest(parts=parts, filters=SHOW, depth=70, fields=["languages", "width"])
    )
    searcher = Searcher(mask_cache(10**7), results_bytes=10**6)
    hits = searcher.search(snapshot, SearchRequest(parts=parts, filters=SHOW, page_size=70)).hits
    counts = Counter(hit.sample.language for hit in hits)
    assert answer.matching == sum(answer.histograms[0].counts) == 70
    assert {value.value: value.count for value in answer.facets[0].values} == dict(counts)


def test_unsafe_and_unscored_rows_are_not_counted_unless_asked_for_h6(
    snapshot: Snapshot, world: IndexWorld
) -> None:
    scores = world.rows["unsafe_score"].to_numpy()
    safe = int((scores <= np.float32(0.5)).sum())
    hidden = ask(snapshot, GetFacetsRequest(fields=["unsafe_score", "buckets"]))
    assert hidden.matching == sum(value.count for value in hidden.facets[0].values) == safe
    assert sum(hidden.whole[0].counts) == safe
    assert hidden.whole[0].unknown == 0
    shown = ask(snapshot, GetFacetsRequest(filters=SHOW, fields=["unsafe_score"]))
    assert shown.matching == len(world.rows)
    assert shown.whole[0].unknown == int(np.isnan(scores).sum())


def test_h6_other_rules_for_the_same_index_count_anew(world: IndexWorld) -> None:
    facets = Facets(Searcher(mask_cache(10**7), results_bytes=0), interval_cache(10**6))
    request = GetFacetsRequest(fields=["unsafe_score"])
    scores = world.rows["unsafe_score"].to_numpy()
    for most in (0.5, 0.2):
        answer = facets.facets(world.snapshot(max_unsafe_score=most), request)
        assert sum(answer.whole[0].counts) == (scores <= np.float32(most)).sum()


@pytest.mark.parametrize("filters", [SHOW, Filters()], ids=["show", "hide"])
def test_without_filters_nothing_is_counted_twice_and_all_is_as_it_was(
    snapshot: Snapshot, filters: Filters
) -> None:
    masks, intervals = mask_cache(10**7), interval_cache(10**7)
    facets = Facets(Searcher(masks, results_bytes=10**6), intervals)
    first = facets.facets(snapshot, GetFacetsRequest(filters=filters, values=200))
    asked, masks_asked = intervals.hits + intervals.misses, masks.hits + masks.misses
    again = facets.facets(snapshot, GetFacetsRequest(filters=filters, values=200))
    assert again == first == ask(snapshot, GetFacetsRequest(filters=filters, values=200))
    assert list(first.histograms) == list(first.whole)
    assert intervals.hits + intervals.misses == asked
    assert masks.hits + masks.misses == masks_asked + len(snapshot.index.segments), "for how many match alone"
    few = facets.facets(snapshot, GetFacetsRequest(filters=filters, values=3))
    for one, other in zip(few.facets, first.facets, strict=True):
        assert list(one.values) == list(other.values)[:3]
        assert one.others == other.others + sum(value.count for value in list(other.values)[3:])


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (GetFacetsRequest(fields=["similarity", "colour"]), "fields[1]"),
        (GetFacetsRequest(values=0), "values"),
        (GetFacetsRequest(values=201), "values"),
        (GetFacetsRequest(depth=0), "depth"),
        (GetFacetsRequest(depth=10**9), "depth"),
    ],
    ids=["field", "no-values", "many-values", "no-depth", "deep"],
)
def test_a_bad_request_names_its_field_h2(snapshot: Snapshot, request_: GetFacetsRequest, field: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        ask(snapshot, request_)
    assert caught.value.field == field


def test_a_number_that_no_row_has_gets_no_intervals() -> None:
    assert edges_of("similarity", []).values == ()
