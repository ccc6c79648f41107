"""Searching vectors: exactly, by lists, and with filters as part of the search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill_index.cost import EXACT_NS, Shape, rows_to_look_at
from pairmill_index.exact import rescored
from pairmill_index.faiss_adapter import ExactScan, Lists, RefinedLists
from pairmill_index.manifest import EXACT, Modality, VectorIndex
from pairmill_index.vector_search import Admitted, VectorSearch, candidates_for, kept_bytes
from tests.fakes.vector_dataset import clustered

ROWS, DIMENSIONS, LISTS = 50_000, 48, 256
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]


def exact(vectors: npt.NDArray[Any], queries: Floats, k: int, mask: Flags | None = None) -> npt.NDArray[Any]:
    """Plain exact search, as a reference."""
    scores = queries @ vectors.astype(np.float32).T
    if mask is not None:
        scores[:, ~mask] = -np.inf
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def found_of(found: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64]) -> float:
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, wanted, strict=True)]))


@pytest.fixture(scope="module")
def vectors() -> npt.NDArray[np.float16]:
    return clustered(ROWS, DIMENSIONS, clusters=300).astype(np.float16)


@pytest.fixture(scope="module")
def queries() -> Floats:
    return clustered(8, DIMENSIONS, seed=99, clusters=300)


@pytest.fixture(scope="module")
def filled(vectors: npt.NDArray[np.float16], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The file of inverted lists over the vectors, and the list of each row."""
    lists = Lists.trained(vectors[::4].astype(np.float32), f"IVF{LISTS},SQ8", threads=2)
    blocks = (vectors[start : start + 8192].astype(np.float32) for start in range(0, ROWS, 8192))
    list_of_row = lists.fill(blocks, threads=2)
    path = tmp_path_factory.mktemp("lists") / "image.faiss"
    lists.write(path)
    return path, list_of_row


def searcher(
    vectors: npt.NDArray[np.float16], filled: tuple[Path, Any], *, probes: int = 12, exact_ns: float = 5e6
) -> VectorSearch:
    index = VectorIndex(
        modality=Modality.IMAGE, kind=f"IVF{LISTS},SQ8", lists=LISTS, probes=probes, candidates=100
    )
    return VectorSearch(vectors, index, Lists.opened(filled[0]), filled[1], exact_ns=exact_ns)


def plain(vectors: npt.NDArray[np.float16]) -> VectorSearch:
    return VectorSearch(vectors, VectorIndex(modality=Modality.IMAGE, kind=EXACT), None, None)


def test_exact_search_is_exact(vectors: npt.NDArray[np.float16], queries: Floats) -> None:
    few = vectors[:3000]
    scores, rows = plain(few).search(queries, 7, Admitted(None, 3000))
    assert np.array_equal(rows, exact(few, queries, 7))
    expected = np.take_along_axis(queries @ few.astype(np.float32).T, rows, 1)
    assert np.allclose(scores, expected, atol=1e-5)
    assert (np.diff(scores, axis=1) <= 0).all()


def test_fewer_rows_than_wanted_are_filled_up(vectors: npt.NDArray[np.float16], queries: Floats) -> None:
    mask = np.zeros(3000, dtype=np.bool_)
    mask[[5, 17]] = True
    for admitted in (Admitted(mask, 3000), Admitted(np.zeros(3000, dtype=np.bool_), 3000)):
        scores, rows = plain(vectors[:3000]).search(queries, 4, admitted)
        assert rows.shape == (len(queries), 4)
        assert (rows[:, admitted.count :] == -1).all()
        assert np.isneginf(scores[:, admitted.count :]).all()
        assert not admitted.count or (np.sort(rows[:, : admitted.count]) == [5, 17]).all()


def test_lists_find_what_exact_search_finds(
    vectors: npt.NDArray[np.float16], filled: tuple[Path, Any], queries: Floats
) -> None:
    scores, rows = searcher(vectors, filled).search(queries, 10, Admitted(None, ROWS))
    assert found_of(rows, exact(vectors, queries, 10)) >= 0.95
    expected = np.take_along_axis(queries @ vectors.astype(np.float32).T, rows, 1)
    assert np.allclose(scores, expected, atol=1e-5)  # of the stored vectors, not of the compressed ones


def test_all_lists_give_the_exact_answer(
    vectors: npt.NDArray[np.float16], filled: tuple[Path, Any], queries: Floats
) -> None:
    search = searcher(vectors, filled)
    _, rows = search.search(queries, 10, Admitted(None, ROWS), probes=LISTS)
    assert found_of(rows, exact(vectors, queries, 10)) == 1.0


def test_the_lists_and_the_comparison_in_one_call_find_what_they_find_one_after_the_other(
    vectors: npt.NDArray[np.float16], filled: tuple[Path, Any], queries: Floats
) -> None:
    lists = Lists.opened(filled[0])
    refined = RefinedLists(lists, ExactScan(vectors))
    for k, candidates in ((1, 7), (10, 10), (49, 100)):
        together = refined.search(queries, k, candidates=candidates, probes=5)
        chosen = lists.nearest_lists(queries, 5)
        apart = rescored(vectors, queries, lists.search_in(queries, candidates, *chosen), k)
        assert np.array_equal(together[1], apart[1])
        assert np.allclose(together[0], apart[0], atol=1e-6)


def test_lists_that_hold_fewer_rows_than_wanted_are_filled_up(
    vectors: npt.NDArray[np.float16], filled: tuple[Path, Any], queries: Floats
) -> None:
    refined = RefinedLists(Lists.opened(filled[0]), ExactScan(vectors))
    scores, rows = refined.search(queries, ROWS, candidates=ROWS, probes=1)
    there = rows >= 0
    held = np.bincount(filled[1])
    assert set(there.sum(axis=1)) <= set(held)
    assert np.isneginf(scores[~there]).all()
    assert np.isfinite(scores[there]).all()


def test_fewer_results_have_fewer_candidates_but_more_of_them_each() -> None:
    counts = [candidates_for(k, 200) for k in (1, 10, 40, 80, 100, 1000)]
    assert counts == [23, 71, 142, 200, 250, 2500]


def masks(vectors: npt.NDArray[np.float16]) -> list[tuple[str, Flags]]:
    """200 masks that admit from 50 % down to 0.1 %: every other one has to do with where vectors lie."""
    draw, found, floats = np.random.default_rng(5), [], vectors.astype(np.float32)
    for number, share in enumerate(np.geomspace(0.5, 0.001, 200)):
        if number % 2:
            side = floats @ draw.standard_normal(DIMENSIONS, dtype=np.float32)
            found.append(("by place", side > np.quantile(side, 1 - share)))
        else:
            found.append(("at random", draw.random(ROWS) < share))
    return found


@pytest.mark.parametrize("exact_ns", [0, EXACT_NS], ids=["by lists", "by what is cheaper"])
def test_two_hundred_filters_find_what_exact_search_finds(
    vectors: npt.NDArray[np.float16], filled: tuple[Path, Any], exact_ns: float
) -> None:
    queries = clustered(16, DIMENSIONS, seed=98, clusters=300)
    scores = queries @ vectors.astype(np.float32).T
    search = searcher(vectors, filled, probes=8, exact_ns=exact_ns)
    for kind, mask in masks(vectors)[:: 1 if exact_ns == 0 else 5]:
        _, rows = search.search(queries, 10, Admitted(mask, ROWS))
        masked = np.where(mask, scores, -np.inf)
        wanted = np.argpartition(-masked, 9, axis=1)[:, :10]
        assert mask[rows].all()
        assert found_of(rows, wanted) >= (0.95 if exact_ns == 0 else 0.999), (kind, mask.mean())


def test_what_a_filter_holds_is_worked_out_once_and_keeps_to_what_it_says(
    vectors: npt.NDArray[np.float16], filled: tuple[Path, Any], queries: Floats
) -> None:
    search = searcher(vectors, filled, probes=8, exact_ns=0)
    for share in (0.5, 0.03):
        mask = np.random.default_rng(6).random(ROWS) < share
        admitted = Admitted(mask, ROWS)
        first = search.search(queries, 10, admitted)
        held = admitted.held(Modality.IMAGE, _not_again)
        again = search.search(queries, 10, admitted)
        assert np.array_equal(first[0], again[0])
        assert np.array_equal(first[1], again[1])
        assert admitted.places().tolist() == np.flatnonzero(mask).tolist()
        assert admitted.bitmap is not None
        kept = admitted.bitmap.bits.nbytes + 2 * held.nbytes
        kept += admitted.places().nbytes if share < 0.05 else 0
        assert kept <= kept_bytes(ROWS)


def _not_again(mask: Flags) -> npt.NDArray[np.float64]:
    raise AssertionError(f"it was counted already, for {len(mask)} rows")


def test_a_few_admitted_rows_far_from_the_query_are_all_found(
    vectors: npt.NDArray[np.float16], filled: tuple[Path, Any], queries: Floats
) -> None:
    """Nothing near the query is admitted: lists are looked into until there are enough."""
    far = np.argsort(queries[0] @ vectors.astype(np.float32).T)[:5]
    mask = np.zeros(ROWS, dtype=np.bool_)
    mask[far] = True
    for exact_ns in (0.0, EXACT_NS):
        _, rows = searcher(vectors, filled, exact_ns=exact_ns).search(queries[:1], 10, Admitted(mask, ROWS))
        assert sorted(rows[0, :5].tolist()) == sorted(far.tolist())
        assert (rows[0, 5:] == -1).all()


def test_many_neighbours_are_found_where_many_are_wanted(
    vectors: npt.NDArray[np.float16], filled: tuple[Path, Any], queries: Floats
) -> None:
    _, rows = searcher(vectors, filled, probes=1).search(queries, 1000, Admitted(None, ROWS))
    assert (rows >= 0).all()
    assert found_of(rows, exact(vectors, queries, 1000)) >= 0.8


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.integers(0, 2**32 - 1), st.floats(0, 1), st.integers(1, 12), st.integers(1, 3))
def test_any_mask_over_few_rows_gives_the_exact_answer(
    rows: int, seed: int, share: float, k: int, count: int
) -> None:
    draw = np.random.default_rng(seed)
    vectors = clustered(rows, 16, seed).astype(np.float16)
    queries, mask = clustered(count, 16, seed + 1), draw.random(rows) < share
    scores, found = plain(vectors).search(queries, k, Admitted(mask, rows))
    admitted = min(int(mask.sum()), k)
    assert (found[:, admitted:] == -1).all()
    assert mask[found[:, :admitted]].all()
    every = queries @ vectors.astype(np.float32).T
    every[:, ~mask] = -np.inf
    assert np.allclose(scores[:, :admitted], -np.sort(-every, axis=1)[:, :admitted], atol=1e-5)


def test_the_best_candidates_stand_first_and_ties_by_row() -> None:
    vectors = np.zeros((9, 4), dtype=np.float16)
    vectors[[8, 3, 2], 0] = 0.5, 0.9, 0.5
    query, candidates = np.eye(1, 4, dtype=np.float32), np.array([[8, 3, 2, -1]])
    assert rescored(vectors, query, candidates, 3)[1].tolist() == [[3, 2, 8]]
    scores, rows = rescored(vectors, query, candidates, 6)
    assert rows.tolist() == [[3, 2, 8, -1, -1, -1]]
    assert np.isneginf(scores[0, 3:]).all()


def test_a_query_without_candidates_finds_nothing_and_leaves_the_others_alone() -> None:
    vectors = np.eye(4, dtype=np.float16)
    scores, rows = rescored(vectors, np.eye(2, 4, dtype=np.float32), np.array([[-1, -1], [1, 0]]), 2)
    assert rows.tolist() == [[-1, -1], [1, 0]]
    assert scores.tolist() == [[-np.inf, -np.inf], [1, 0]]


def test_candidates_are_compared_by_their_stored_vectors() -> None:
    vectors = np.eye(4, dtype=np.float16)
    query = np.array([[0.1, 0.9, 0.3, 0.0]], dtype=np.float32)
    scores, rows = rescored(vectors, query, np.array([[0, 1, 2, -1]]), 4)
    assert rows.tolist() == [[1, 2, 0, -1]]
    assert np.allclose(scores[0, :3], [0.9, 0.3, 0.1])


@pytest.mark.parametrize(
    ("share", "milliseconds"), [(0.9, 13.9), (0.5, 13.5), (0.2, 7.3), (0.05, 2.2), (0.02, 0.4)]
)
def test_the_cost_of_comparing_all_is_about_what_was_measured(share: float, milliseconds: float) -> None:
    """CPU time of one query over 200,000 vectors of 512 dimensions."""
    estimated = Shape(200_000, int(200_000 * share), 512).exact_ns / 1e6
    assert milliseconds / 1.5 < estimated < milliseconds * 3
    assert (estimated > EXACT_NS / 1e6) == (share >= 0.2)


def test_fewer_rows_are_looked_at_the_narrower_a_filter() -> None:
    wanted = [rows_to_look_at(Shape(1_000_000, count, 512), 4096, 16, 10) for count in (500_000, 50_000, 500)]
    assert wanted == sorted(wanted, reverse=True)
    assert wanted[-1] == rows_to_look_at(Shape(1_000_000, 500, 512), 4096, 16, 10) <= 500
