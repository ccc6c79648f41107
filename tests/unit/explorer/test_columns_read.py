"""Columns of samples are read from so many files and row groups for one request, those asked for first."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairmill.errors import CorruptObjectError
from pairmill.idarrays import hex_of
from pairmill.store.port import ObjectStore
from pairmill_explorer.datasets.columns_read import MOST_FILES, MOST_GROUPS, ColumnReader
from pairmill_explorer.datasets.id_rows import IdRows
from pairmill_explorer.datasets.parquet import ParquetRows
from pairmill_explorer.datasets.served import Snapshot
from tests.fakes.index_world import IndexWorld
from tests.fakes.store import MemoryStore

IDS = np.random.default_rng(3).integers(0, 2**63, (200, 2), dtype=np.uint64)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def snapshot(world: IndexWorld, store: MemoryStore) -> Snapshot:
    return replace(world.snapshot(), store=store)


def put(store: ObjectStore, path: str, first: int, rows: int, *, group: int = 1000) -> None:
    """Stores a file of so many of the ids."""
    table = pa.table({"sample_id": hex_of(IDS[first : first + rows]), "row": range(first, first + rows)})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=group)
    store.put(path, sink.getvalue())


def rows_read(read: ColumnReader, snapshot: Snapshot, files: list[str], rows: list[int]) -> dict[int, str]:
    """Returns the column `row` that was read of `data/`, by place."""
    found = read.data(snapshot, {"data_file": files, "data_row": rows})
    assert found.left_out == set(range(len(files))) - set(found.fields)
    return {place: fields[1].value for place, fields in found.fields.items()}


def test_of_many_files_those_named_first_are_read(snapshot: Snapshot, store: MemoryStore) -> None:
    for number in range(100):
        put(store, f"data/{number}.parquet", number, 1)
    files = [f"data/{number}.parquet" for number in reversed(range(100))]
    found = rows_read(ColumnReader(), snapshot, [*files, files[0]], [0] * 101)
    assert found == {**{place: str(99 - place) for place in range(MOST_FILES)}, 100: "99"}
    evidence = ColumnReader().evidence(snapshot, files, IDS[:100][::-1])
    assert set(evidence.fields) == set(range(MOST_FILES))
    assert evidence.left_out == set(range(MOST_FILES, 100))


def test_of_many_row_groups_those_asked_for_first_are_read(snapshot: Snapshot, store: MemoryStore) -> None:
    put(store, "data/a.parquet", 0, 200, group=2)
    rows = [*range(0, 200, 2), 1, 199]
    found = rows_read(ColumnReader(), snapshot, ["data/a.parquet"] * len(rows), rows)
    assert found == {**{place: str(rows[place]) for place in range(MOST_GROUPS)}, 100: "1"}


def test_the_ids_of_a_file_are_read_once(snapshot: Snapshot, store: MemoryStore) -> None:
    put(store, "shards/a.parquet", 0, 200)
    reader, read = ColumnReader(), [0]
    for place in (7, 150, 7):
        found = reader.evidence(snapshot, ["shards/a.parquet"], IDS[place : place + 1])
        assert [field.value for field in found.fields[0]][1] == str(place)
        read.append(store.range_bytes)
    first, *later = np.diff(read)
    assert max(later) < first


def test_an_id_that_a_file_does_not_have_is_no_row_and_what_holds_no_ids_is_refused(
    snapshot: Snapshot, store: MemoryStore, tmp_path: Path
) -> None:
    put(store, "shards/a.parquet", 0, 100)
    put(store, "shards/none.parquet", 0, 0)
    finder = IdRows(ParquetRows())
    assert finder.find(store, "shards/a.parquet", IDS[[3, 150, 99]]).tolist() == [3, -1, 99]
    assert finder.find(store, "shards/none.parquet", IDS[:2]).tolist() == [-1, -1]
    sink = io.BytesIO()
    pq.write_table(pa.table({"sample_id": ["x", None]}), sink)
    store.put("shards/b.parquet", sink.getvalue())
    with pytest.raises(CorruptObjectError, match=r"shards/b\.parquet"):
        finder.find(store, "shards/b.parquet", IDS[:1])
    evidence = ColumnReader().evidence(snapshot, ["shards/b.parquet", ""], IDS[:2])
    assert (dict(evidence.fields), evidence.left_out) == ({}, frozenset())
