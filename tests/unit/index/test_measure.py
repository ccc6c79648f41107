"""Recall, held-out queries, and how many lists are looked into."""

from __future__ import annotations

import numpy as np
import pytest

from pairmill_index.lists_build import drawn
from pairmill_index.measure import next_probes, queries_for, recall, without


def rows(*lines: list[int]) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    return np.array(lines, dtype=np.int64)


def test_recall_counts_what_is_among_the_first() -> None:
    truth = rows([1, 2, 3, 4], [5, 6, 7, 8])
    found = rows([2, 1, 9, 3], [5, 9, 9, 9])
    assert recall(found, truth, 2) == 0.75
    assert recall(found, truth, 1) == 0.5
    assert recall(found, truth, 4) == 0.5


def test_rows_that_are_not_there_are_not_asked_for() -> None:
    assert recall(rows([1, -1]), rows([1, -1]), 2) == 1.0


def test_a_query_is_found_without_itself() -> None:
    found = without(rows([7, 1, 2], [1, 7, 2], [1, 2, 3]), np.array([7, 7, -1]))
    assert found.tolist() == [[1, 2], [1, 2], [1, 2]]
    assert without(rows([1, -1, -1], [7, -1, -1]), np.array([-1, 7])).tolist() == [[1, -1], [-1, -1]]


def test_queries_and_training_sample_are_random_and_apart() -> None:
    words = np.random.default_rng(1).integers(0, 2**64, 10_000, dtype=np.uint64)
    queries, sample = drawn(words, 0.0, 0.02), drawn(words, 0.02, 0.5)
    assert not set(queries.tolist()) & set(sample.tolist())
    assert 100 < len(queries) < 300
    assert 4_400 < len(sample) < 5_200
    assert len(drawn(words, 0.02, 1.5)) == 10_000 - len(queries)
    assert np.array_equal(queries, drawn(words, 0.0, 0.02))


@pytest.mark.parametrize(("given", "expected"), [(1, 2), (2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (96, 128)])
def test_the_ladder_of_probes(given: int, expected: int) -> None:
    assert next_probes(given) == expected


def test_large_indices_are_measured_with_fewer_queries() -> None:
    assert queries_for(1_000_000) == 400
    assert queries_for(1_000_000_000) == 64
    assert queries_for(8) == 2
