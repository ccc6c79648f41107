"""What later jobs ran again is known by id, however much it is."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pairmill.errors import CorruptObjectError
from pairmill.idarrays import hex_of
from pairmill_explorer.datasets.rerun import rerun_of

IDS = np.random.default_rng(4).integers(0, 2**64, (400_000, 2), dtype=np.uint64)


def batches(rows: int) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Yields ids that job 1 ran again; of each thousand job 2 ran the first hundred once more."""
    for start in range(0, rows, 1000):
        yield pa.record_batch({"sample_id": hex_of(IDS[start : start + 1000])}), 1
        yield pa.record_batch({"sample_id": hex_of(IDS[start : start + 100])}), 2


def test_a_row_that_a_later_job_ran_again_is_known_to_earlier_ones(tmp_path: Path) -> None:
    rerun = rerun_of(batches(2000), 2200, tmp_path)
    assert len(rerun.ids) == 2000
    assert rerun.after(0, IDS[:3000]).tolist() == [number < 2000 for number in range(3000)]
    assert rerun.after(1, IDS[:2000]).tolist() == [number % 1000 < 100 for number in range(2000)]
    assert not rerun.after(2, IDS[:2000]).any()
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_what_was_run_again(tmp_path: Path) -> None:
    most = []
    for rows in (200_000, 400_000):
        tracemalloc.start()
        rerun = rerun_of(batches(rows), rows * 11 // 10, tmp_path)
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert rerun.after(0, IDS[:rows:1000]).all()
    assert most[1] < 1.3 * most[0]


def test_a_job_without_rows_ran_nothing_again(tmp_path: Path) -> None:
    assert not rerun_of(batches(0), 0, tmp_path).after(0, IDS[:5]).any()


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    named: list[Path] = []

    def watched() -> Iterator[tuple[pa.RecordBatch, int]]:
        named.extend(tmp_path.iterdir())
        yield from batches(1000)

    rerun_of(watched(), 1100, tmp_path)
    (left,) = named
    left.mkdir()
    (left / "ids.npy").write_bytes(b"half of them")
    rerun_of(batches(1000), 1100, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_no_id_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptObjectError, match="sample ids"):
        rerun_of([(pa.record_batch({"sample_id": ["x"]}), 1)], 1, tmp_path)
