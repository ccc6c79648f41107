from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pairmill.spill import PartitionSpill

FIELDS: list[pa.Field[Any]] = [pa.field("number", pa.int64()), pa.field("text", pa.string())]
SCHEMA = pa.schema(FIELDS)


@pytest.mark.parametrize("max_rows", [1, 7, 10_000], ids=["spills each", "spills some", "stays in memory"])
def test_rows_come_back_by_partition_in_their_order(tmp_path: Path, max_rows: int) -> None:
    random = np.random.default_rng(5)
    partitions = random.integers(0, 9, 300).astype(np.int32)
    table = pa.table({"number": np.arange(300), "text": [str(number) for number in range(300)]})
    spill = PartitionSpill(tmp_path, SCHEMA, max_rows=max_rows)
    for start in range(0, 300, 11):
        spill.add(table.slice(start, 11), partitions[start : start + 11])
    found = {number: part.column("number").to_pylist() for number, part in spill.parts()}
    assert list(found) == sorted(set(partitions.tolist()))
    assert found == {number: np.flatnonzero(partitions == number).tolist() for number in found}
    assert list(tmp_path.iterdir()) == []


def test_many_bytes_spill_before_many_rows(tmp_path: Path) -> None:
    spill = PartitionSpill(tmp_path, SCHEMA, max_bytes=1000)
    table = pa.table({"number": [1], "text": ["x" * 2000]}, schema=SCHEMA)
    spill.add(table, np.zeros(1, dtype=np.int32))
    assert len(list(tmp_path.iterdir())) == 1
    assert [part.num_rows for _, part in spill.parts()] == [1]


def test_nothing_in_nothing_out(tmp_path: Path) -> None:
    spill = PartitionSpill(tmp_path, SCHEMA)
    spill.add(SCHEMA.empty_table(), np.zeros(0, dtype=np.int32))
    assert list(spill.parts()) == []
