"""The written rule: which kind of index for which vectors and budgets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairmill_index.manifest import EXACT
from pairmill_index.rule import CODES, centroid_bytes, choose, is_exact_fast, is_smaller, lists_for

GB = 2**30


@pytest.mark.parametrize(
    ("rows", "dimensions", "memory_bytes", "latency_ms", "kind"),
    [
        (1, 512, 1, 10, EXACT),
        (20_000, 768, GB, 0.1, EXACT),
        (40_000, 512, GB, 10, EXACT),
        (100_000, 512, GB, 10, "IVF512,SQ8"),
        (1_000_000, 512, GB, 10, "IVF2048,SQ8"),
        (1_000_000, 512, GB // 3, 10, "IVF2048,SQ4"),
        (1_000_000, 512, GB // 8, 10, "IVF2048,RaBitQ"),
        (10_000_000, 512, 10 * GB, 10, "IVF8192,SQ8"),
        (200_000_000, 512, 20 * GB, 10, "IVF32768_HNSW32,RaBitQ"),
    ],
)
def test_the_table_of_the_documentation(
    rows: int, dimensions: int, memory_bytes: int, latency_ms: float, kind: str
) -> None:
    chosen = choose(rows=rows, dimensions=dimensions, memory_bytes=memory_bytes, latency_ms=latency_ms)
    assert chosen.kind == kind
    assert chosen.fits


def test_what_no_kind_fits_is_said() -> None:
    assert not choose(rows=1_000_000, dimensions=512, memory_bytes=10_000_000, latency_ms=1).fits


def test_a_longer_latency_budget_lets_more_be_searched_exactly() -> None:
    assert not is_exact_fast(100_000, 512, 10)
    assert is_exact_fast(100_000, 512, 50)


@given(
    st.integers(20_001, 2_000_000_000),
    st.integers(8, 2048),
    st.integers(2**20, 2**42),
    st.floats(0.01, 1000),
)
def test_a_choice_keeps_to_its_budget_and_can_be_trained(
    rows: int, dimensions: int, memory_bytes: int, latency_ms: float
) -> None:
    chosen = choose(rows=rows, dimensions=dimensions, memory_bytes=memory_bytes, latency_ms=latency_ms)
    if chosen.kind == EXACT:
        return
    code = next(code for code in CODES if chosen.kind.endswith(f",{code.name}"))
    size = rows * code.bytes(dimensions) + centroid_bytes(chosen.lists, dimensions)
    assert chosen.fits == (size <= memory_bytes) or code is CODES[-1]
    assert not chosen.fits or size <= memory_bytes
    assert chosen.lists * 40 <= rows
    assert chosen.lists <= chosen.training_rows <= rows


@given(st.integers(20_001, 10**10))
def test_lists_grow_with_the_square_root_of_the_rows(rows: int) -> None:
    lists = lists_for(rows)
    assert lists & (lists - 1) == 0
    assert lists <= lists_for(rows * 4)


def test_centroids_of_shared_lists_are_part_of_the_budget() -> None:
    """Few rows in the lists of many: what is known of the lists takes more than what is in them."""
    few = {"rows": 25_000, "dimensions": 512, "memory_bytes": 15_000_000, "latency_ms": 1}
    assert choose(**few).kind == "IVF256,SQ8"
    assert choose(**few, lists=1024).kind == "IVF1024,SQ4"
    assert not choose(**few, lists=1 << 15).fits


def test_kinds_are_compared_by_what_a_vector_takes() -> None:
    assert is_smaller("IVF4096,SQ4", than="IVF64,SQ8")
    assert is_smaller("IVF64,RaBitQ", than="IVF64,SQ4")
    assert not is_smaller("IVF64,SQ8", than="IVF4096,SQ8")
