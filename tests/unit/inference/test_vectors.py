"""What may be stored as an embedding, and how."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pairmill_inference.vectors import storable


@pytest.mark.parametrize(
    "row",
    [
        [0.0, 0.0, 0.0],
        [1e-9, 0.0, 0.0],
        [np.nan, 1.0, 0.0],
        [np.inf, 1.0, 0.0],
        [-np.inf, np.nan, 0.0],
    ],
    ids=["zero", "noise", "nan", "infinite", "both"],
)
def test_e15_a_vector_without_direction_is_not_usable_and_leaves_its_neighbours_alone(
    row: list[float],
) -> None:
    vectors = np.array([[3.0, 4.0, 0.0], row, [0.0, 0.0, -2.0]], dtype=np.float32)
    rows, usable = storable(vectors)
    assert usable.tolist() == [True, False, True]
    assert rows.tolist() == [[np.float16(0.6), np.float16(0.8), 0], [0, 0, 0], [0, 0, -1]]


def test_the_largest_float32_has_a_direction() -> None:
    rows, usable = storable(np.full((1, 4), np.finfo(np.float32).max, dtype=np.float32))
    assert usable.all()
    assert rows.tolist() == [[0.5] * 4]


def test_rows_are_little_endian_float16() -> None:
    rows, _ = storable(np.ones((2, 4), dtype=np.float32))
    assert rows.dtype.str == "<f2"


def test_no_rows_give_no_rows() -> None:
    rows, usable = storable(np.zeros((0, 8), dtype=np.float32))
    assert rows.shape == (0, 8)
    assert usable.shape == (0,)


@settings(max_examples=50, deadline=None)
@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 6), st.integers(1, 40)),
        elements=st.floats(-100, 100, width=32),
    )
)
def test_usable_rows_have_unit_length_and_the_same_direction(vectors: np.ndarray) -> None:
    rows, usable = storable(vectors)
    wide = rows[usable].astype(np.float64)
    assert np.allclose(np.linalg.norm(wide, axis=1), 1, atol=2e-3)
    lengths = np.linalg.norm(vectors[usable].astype(np.float64), axis=1)
    cosines = np.einsum("ij,ij->i", wide, vectors[usable].astype(np.float64)) / lengths
    assert (cosines > 0.999).all()
