"""Pages of results: each result once, in one order, whatever is cached."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pairmill_explorer.datasets.served import Snapshot
from pairmill_explorer.errors import BadRequestError, RequestError
from pairmill_explorer.search.collapse import Alike, Looks
from pairmill_explorer.search.cursors import Origin, cursor_at, query_digest
from pairmill_explorer.search.found import Found
from pairmill_explorer.search.masks import mask_cache
from pairmill_explorer.search.ranking import MAX_DEPTH, STAGES, Ranking
from pairmill_explorer.search.searcher import Searcher
from pairmill_index.manifest import Modality
from pairmill_protos.explorer.v1.search_pb2 import Collapse, Filters, Hit, QueryPart, Range, SafeMode
from pairmill_protos.explorer.v1.search_service_pb2 import SearchRequest
from tests.fakes.index_world import IndexWorld, make_index

SHOW = Filters(safe_mode=SafeMode.SAFE_MODE_SHOW)


@pytest.fixture
def snapshot(world: IndexWorld) -> Snapshot:
    return world.snapshot()


def new_searcher(results_bytes: int = 10**7) -> Searcher:
    return Searcher(mask_cache(10**7), results_bytes=results_bytes)


def all_pages(searcher: Callable[[], Searcher], snapshot: Snapshot, request: SearchRequest) -> list[Hit]:
    """Turns pages until the end; each page may be answered by another explorer."""
    hits: list[Hit] = []
    while True:
        answer = searcher().search(snapshot, request)
        hits += answer.hits
        if not answer.next_cursor:
            return hits
        request.cursor = answer.next_cursor


def test_without_a_query_all_admitted_rows_are_listed_once_in_order_of_id(
    snapshot: Snapshot, world: IndexWorld
) -> None:
    searcher = new_searcher()
    filters = Filters(
        safe_mode=SafeMode.SAFE_MODE_SHOW, similarity=Range(min=0.1), buckets=["multi", "nolang"]
    )
    hits = all_pages(lambda: searcher, snapshot, SearchRequest(filters=filters, page_size=333))
    similar = world.rows["similarity"].to_numpy() >= np.float32(0.1)
    other = world.rows["bucket"].to_numpy() != "en"
    wanted = sorted(np.array(world.ids())[similar & other].tolist())
    assert [hit.sample.sample_id for hit in hits] == wanted
    assert not any(hit.HasField("score") for hit in hits)


def test_a_listing_says_how_many_rows_match(snapshot: Snapshot, world: IndexWorld) -> None:
    answer = new_searcher().search(snapshot, SearchRequest(filters=SHOW, page_size=1))
    assert (answer.matching, len(answer.hits)) == (len(world.rows), 1)
    assert answer.index_version == world.index.version


@pytest.mark.parametrize("results_bytes", [10**7, 0], ids=["remembered", "found-anew"])
def test_a_query_gives_each_result_once_the_nearest_first(
    snapshot: Snapshot, world: IndexWorld, results_bytes: int
) -> None:
    shared = new_searcher(results_bytes)
    request = SearchRequest(
        parts=[QueryPart(sample_id=world.ids()[3])],
        filters=Filters(safe_mode=SafeMode.SAFE_MODE_SHOW, width=Range(max=1500)),
        page_size=700,
    )
    hits = all_pages(lambda: shared if results_bytes else new_searcher(), snapshot, request)
    narrow = world.rows["width"].to_numpy() <= 1500
    query = world.vectors[Modality.IMAGE][3].astype(np.float32)
    scores = world.vectors[Modality.IMAGE].astype(np.float32) @ (query / np.linalg.norm(query))
    best = np.array(world.ids())[np.flatnonzero(narrow)[np.argsort(-scores[narrow])]]
    found = [hit.sample.sample_id for hit in hits]
    assert len(found) == len(set(found)) == narrow.sum()
    assert found[:20] == best[:20].tolist()
    assert all(a.score >= b.score for a, b in pairwise(hits))


def test_results_of_a_query_end_at_ten_thousand(tmp_path_factory: pytest.TempPathFactory) -> None:
    rows = np.arange(20_000)
    everything = Found(
        segments=np.zeros(len(rows), dtype=np.int32),
        rows=rows,
        scores=np.linspace(1, 0, len(rows), dtype=np.float32),
    )
    ranking = Ranking(Alike())
    assert len(ranking.upto(10**9, lambda k: everything[:k], _no_looks)) == MAX_DEPTH


def test_a_deeper_search_that_finds_better_rows_does_not_move_what_was_shown() -> None:
    """Inverted lists may miss a row at first: it comes behind what was shown, and nothing twice."""
    rows = np.arange(STAGES[1])
    shallow = [row for row in range(2 * STAGES[0]) if row % 7]

    def search(k: int) -> Found:
        chosen = np.array(shallow[:k] if k == STAGES[0] else rows[:k].tolist())
        return Found(
            segments=np.zeros(len(chosen), dtype=np.int32), rows=chosen, scores=-chosen.astype(np.float32)
        )

    ranking = Ranking(Alike())
    first = ranking.upto(50, search, _no_looks).rows.tolist()
    more = ranking.upto(STAGES[1], search, _no_looks).rows.tolist()
    assert more[:50] == first
    assert sorted(more) == rows.tolist()


def test_h6_other_rules_for_the_same_index_find_anew(world: IndexWorld) -> None:
    searcher, request = new_searcher(), SearchRequest(parts=[QueryPart(sample_id=world.ids()[0])])
    for most in (0.5, 0.2):
        hits = searcher.search(world.snapshot(max_unsafe_score=most), request).hits
        assert max(hit.sample.unsafe_score for hit in hits) <= np.float32(most)


def test_a_cursor_of_another_request_or_made_up_is_refused(snapshot: Snapshot) -> None:
    searcher = new_searcher()
    cursor = searcher.search(snapshot, SearchRequest(filters=SHOW, page_size=5)).next_cursor
    for wrong in (cursor[:-2] + "AA", "x", "\u00e9", cursor + "A", "=" * 8):
        with pytest.raises(BadRequestError) as caught:
            searcher.search(snapshot, SearchRequest(filters=SHOW, page_size=5, cursor=wrong))
        assert caught.value.field == "cursor"
    with pytest.raises(BadRequestError, match="another request"):
        searcher.search(snapshot, SearchRequest(page_size=5, cursor=cursor))


@pytest.mark.parametrize("by_query", [True, False], ids=["query", "listing"])
@pytest.mark.parametrize(
    "position", ["x", "-5", "1_0", "٣", "9" * 30, "0" * 31, "0" * 33, "g" * 32, " 7", "7\n7"], ids=ascii
)
def test_a_cursor_made_up_with_its_check_is_refused_h2(
    snapshot: Snapshot, world: IndexWorld, position: str, *, by_query: bool
) -> None:
    parts = [QueryPart(sample_id=world.ids()[0])] if by_query else []
    request = SearchRequest(parts=parts, filters=SHOW, page_size=5)
    origin = Origin(query=query_digest(request, "cursor", "page_size"), version=snapshot.index.version)
    request.cursor = cursor_at(position, origin)
    with pytest.raises(BadRequestError, match="pass on the next_cursor") as caught:
        new_searcher().search(snapshot, request)
    assert caught.value.field == "cursor"


def test_a_cursor_behind_the_last_result_gives_nothing(snapshot: Snapshot, world: IndexWorld) -> None:
    request = SearchRequest(parts=[QueryPart(sample_id=world.ids()[0])], filters=SHOW, page_size=5)
    origin = Origin(query=query_digest(request, "cursor", "page_size"), version=snapshot.index.version)
    request.cursor = cursor_at("9" * 9, origin)
    answer = new_searcher().search(snapshot, request)
    assert (list(answer.hits), answer.next_cursor) == ([], "")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"parts": [QueryPart(sample_id="0" * 32), QueryPart(sample_id="x")]}, "parts[1].sample_id"),
        ({"parts": [QueryPart(text="a"), QueryPart(image=b"x", weight=float("nan"))]}, "parts[1].weight"),
        ({"parts": [QueryPart(sample_id="0" * 32)]}, "parts[0].sample_id"),
        ({"parts": [QueryPart(text="no model is at hand")]}, "parts[0].text"),
        ({"modality": 7}, "modality"),
        ({"collapse": Collapse(cosine=2)}, "collapse.cosine"),
    ],
    ids=["no-id", "weight", "unknown-id", "no-model", "modality", "collapse"],
)
def test_a_query_that_is_refused_has_no_filters_evaluated_h2(
    snapshot: Snapshot, changes: dict[str, Any], field: str
) -> None:
    searcher = new_searcher()
    with pytest.raises(RequestError) as caught:
        searcher.search(snapshot, SearchRequest(filters=Filters(text_contains="a"), **changes))
    assert caught.value.field == field
    assert searcher.caches["filters"].misses == 0


def test_a_cursor_may_be_used_with_another_page_size(snapshot: Snapshot) -> None:
    searcher = new_searcher()
    first = searcher.search(snapshot, SearchRequest(filters=SHOW, page_size=5))
    rest = searcher.search(snapshot, SearchRequest(filters=SHOW, page_size=7, cursor=first.next_cursor))
    whole = searcher.search(snapshot, SearchRequest(filters=SHOW, page_size=12))
    assert [*first.hits, *rest.hits] == list(whole.hits)


def test_a_cursor_ends_with_the_index_version_that_it_is_of(
    snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cursor = new_searcher().search(snapshot, SearchRequest(filters=SHOW, page_size=5)).next_cursor
    later = make_index(tmp_path_factory.mktemp("later"), 300, seed=2).snapshot()
    with pytest.raises(BadRequestError, match="earlier version"):
        new_searcher().search(later, SearchRequest(filters=SHOW, page_size=5, cursor=cursor))


@pytest.mark.parametrize("size", [0, -1, 1001, 10**9])
def test_a_page_size_out_of_bounds_is_refused_h2(snapshot: Snapshot, size: int) -> None:
    with pytest.raises(BadRequestError) as caught:
        new_searcher().search(snapshot, SearchRequest(page_size=size))
    assert caught.value.field == "page_size"


def test_near_duplicates_are_left_out_over_all_pages(snapshot: Snapshot, world: IndexWorld) -> None:
    request = SearchRequest(
        parts=[QueryPart(sample_id=world.ids()[3])],
        filters=SHOW,
        collapse=Collapse(phash_distance=0),
        page_size=900,
    )
    searcher = new_searcher()
    hits = all_pages(lambda: searcher, snapshot, request)
    hashes = [hit.sample.phash for hit in hits if hit.sample.phash]
    assert len(hashes) == len(set(hashes))
    assert len(set(hashes)) == len(set(world.rows["phash"].drop_null().to_pylist()))


@pytest.mark.parametrize(
    ("collapse", "field"),
    [
        (Collapse(phash_distance=17), "collapse.phash_distance"),
        (Collapse(phash_distance=-1), "collapse.phash_distance"),
        (Collapse(cosine=float("nan")), "collapse.cosine"),
        (Collapse(cosine=1.1), "collapse.cosine"),
    ],
    ids=["too-far", "negative", "nan", "above-1"],
)
def test_a_bad_collapse_names_its_field_h2(
    snapshot: Snapshot, world: IndexWorld, collapse: Collapse, field: str
) -> None:
    parts = [QueryPart(sample_id=world.ids()[0])]
    with pytest.raises(BadRequestError) as caught:
        new_searcher().search(snapshot, SearchRequest(parts=parts, collapse=collapse))
    assert caught.value.field == field


def test_a_hit_says_what_the_index_knows(snapshot: Snapshot, world: IndexWorld) -> None:
    sample = new_searcher().search(snapshot, SearchRequest(filters=SHOW, page_size=1000)).hits[9].sample
    row = world.rows.slice(world.ids().index(sample.sample_id), 1).to_pylist()[0]
    for name in (
        "url",
        "text",
        "language",
        "verdict",
        "reason",
        "host",
        "crawl",
        "licence",
        "width",
        "height",
        "bucket",
    ):
        assert getattr(sample, name) == row[name], name
    for name in ("similarity", "unsafe_score", "watermark_score", "aesthetic_score", "toxicity"):
        assert (getattr(sample, name) if sample.HasField(name) else None) == row[name], name  # type: ignore[arg-type]  # fields by their names
    assert sample.has_image == bool(row["shard"])
    assert sample.phash == ("" if row["phash"] is None else f"{row['phash']:016x}")


def _no_looks(found: Found) -> Looks:
    raise AssertionError(f"nothing is to be compared, not {len(found)} rows")


def test_searches_from_many_threads_get_the_same_answers(snapshot: Snapshot, world: IndexWorld) -> None:
    searcher = new_searcher()
    requests = [
        SearchRequest(parts=[QueryPart(sample_id=world.ids()[row])], filters=SHOW, page_size=200)
        for row in (1, 2, 3)
    ]
    alone = [[hit.sample.sample_id for hit in new_searcher().search(snapshot, one).hits] for one in requests]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda one: searcher.search(snapshot, one), requests * 10))
    assert [[hit.sample.sample_id for hit in answer.hits] for answer in answers] == alone * 10
