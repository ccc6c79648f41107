"""Similarity from stored float16 rows, in float32 (U11)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill.dataset.arrays import Halves
from pairmill_scorer.similarity import similarities


def unit_rows(rows: int, dimensions: int, seed: int) -> Halves:
    vectors = np.random.default_rng(seed).standard_normal((rows, dimensions))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype="<f2")


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(0, 40), dimensions=st.sampled_from([16, 512, 768, 1024]), seed=st.integers(0, 99))
def test_it_is_the_dot_product_of_the_stored_rows(rows: int, dimensions: int, seed: int) -> None:
    images, texts = unit_rows(rows, dimensions, seed), unit_rows(rows, dimensions, seed + 1)
    found = similarities(images, texts)
    exact = np.einsum("ij,ij->i", images.astype(np.float64), texts.astype(np.float64))
    assert found.dtype == np.float32
    assert np.abs(found - exact).max(initial=0) < 1e-6


def test_a_row_does_not_depend_on_the_others() -> None:
    images, texts = unit_rows(50, 512, 1), unit_rows(50, 512, 2)
    together = similarities(images, texts)
    alone = [similarities(images[row : row + 1], texts[row : row + 1])[0] for row in range(50)]
    order = np.random.default_rng(3).permutation(50)
    assert together.tolist() == alone
    assert similarities(images[order], texts[order]).tolist() == together[order].tolist()


def test_equal_rows_have_no_more_than_one() -> None:
    rows = unit_rows(200, 512, 5)
    found = similarities(rows, rows)
    assert found.max() <= 1
    assert found.min() > 0.999
    assert similarities(rows, -rows).min() >= -1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_e15_a_stored_row_that_is_not_finite_has_no_similarity(value: float) -> None:
    images, texts = unit_rows(3, 16, 1), unit_rows(3, 16, 2)
    images[1, 4] = value
    found = similarities(images, texts)
    assert np.isnan(found).tolist() == [False, True, False]
