"""Rows read where they are mapped are what Arrow says they are."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pairmill_explorer.search.reading import Columns, columns_in
from pairmill_index.columns import SAMPLES
from pairmill_index.opened import open_index
from tests.fakes.index_world import IndexWorld

NAMES = SAMPLES.names


def by_arrow(table: pa.Table, rows: Any) -> list[list[Any]]:
    """Returns the same by Arrow's own way."""
    taken = table.take(pa.array(rows))
    return [
        (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
        for column in taken.columns
    ]


@pytest.mark.parametrize("batch_rows", [10_000, 700, 1], ids=lambda rows: f"batches of {rows}")
def test_every_column_says_what_arrow_says(world: IndexWorld, batch_rows: int) -> None:
    whole = max((segment.table for segment in world.index.segments), key=len)
    table = pa.Table.from_batches(whole.to_batches(max_chunksize=batch_rows))  # slices: they begin anywhere
    draw = np.random.default_rng(batch_rows)
    for count in (1, 40, 300):
        rows = draw.integers(0, len(table), count)
        found = Columns(table).at(rows, NAMES)
        assert found == by_arrow(table, rows)
    nulls = [name for name, values in zip(NAMES, found, strict=True) if None in values]
    assert {"similarity", "phash", "fetched_at"} <= set(nulls)


def test_no_rows_have_no_values(world: IndexWorld) -> None:
    none = np.empty(0, dtype=np.int64)
    for table in (world.index.segments[0].table, SAMPLES.empty_table()):
        assert Columns(table).at(none, NAMES) == [[] for _ in NAMES]


def test_a_dictionary_of_many_words_is_not_copied_and_says_the_same() -> None:
    words = pa.array([f"host{number}.example" for number in range(5000)])
    codes = np.random.default_rng(1).integers(0, len(words), 9000).astype(np.int32)
    table = pa.table({"host": pa.DictionaryArray.from_arrays(codes, words)})
    rows = np.array([8999, 0, 17, 17])
    assert Columns(table).at(rows, ["host"]) == [[f"host{code}.example" for code in codes[rows]]]


def test_null_texts_and_words_are_none_whatever_lies_below_them() -> None:
    table = pa.table(
        {
            "text": pa.array(["a", None, "ü", ""]),
            "word": pa.array(["x", None, None, "y"]).dictionary_encode(),
        }
    )
    assert Columns(table).at(np.arange(4)[::-1], ["text", "word"]) == [
        ["", "ü", None, "a"],
        ["y", None, None, "x"],
    ]


def test_columns_are_looked_up_once_and_let_go_of_with_their_segment(
    world: IndexWorld, tmp_path: Any
) -> None:
    segment = open_index(world.store, tmp_path).segments[0]
    assert columns_in(segment) is columns_in(segment)
    gone = weakref.ref(columns_in(segment))
    del segment
    gc.collect()
    assert gone() is None
