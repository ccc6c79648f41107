from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill.errors import CorruptObjectError
from pairmill.idarrays import ascending
from pairmill_planner.seen_index import SeenIndex, merge, runs_that_stay
from pairmill_planner.seen_run import BLOCK_IDS, SeenRun, write_run
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, UnitTask
from tests.unit.arrays.memory_store import MemoryStore, new_context


def random_ids(count: int, seed: int) -> np.ndarray:
    ids = np.random.default_rng(seed).integers(0, 2**64, (count, 2), dtype=np.uint64)
    return ids[ascending(ids)]


def write(path: Path, ids: np.ndarray, chunk: int = 1000) -> bytes:
    write_run(path, (ids[start : start + chunk] for start in range(0, len(ids), chunk)), len(ids))
    return path.read_bytes()


def opened(data: bytes) -> SeenRun:
    return SeenRun(lambda start, length: data[start : start + length], "run")


@pytest.mark.parametrize("count", [1, BLOCK_IDS - 1, BLOCK_IDS, BLOCK_IDS + 1, 5 * BLOCK_IDS + 7])
def test_a_run_knows_its_ids_and_no_others(tmp_path: Path, count: int) -> None:
    ids = random_ids(2 * count, 1)
    run = opened(write(tmp_path / "run", ids[::2]))
    assert run.contains(ids).tolist() == [True, False] * count
    assert np.concatenate(list(run.chunks())).tolist() == ids[::2].tolist()


def test_a_filter_spares_reading_most_ids(tmp_path: Path) -> None:
    ids = random_ids(200_000, 2)
    store = MemoryStore()
    store.put("run", write(tmp_path / "run", ids[::2]))
    run = SeenRun(lambda start, length: store.get_range("run", start, length), "run")
    wanted = ids[1::2][:200]
    assert not run.contains(wanted).any()
    assert store.range_bytes < 0.4 * len(store.objects["run"])


@pytest.mark.parametrize("place", [0, 9, 30, 60, 5000, -1], ids=str)
def test_g4_a_flipped_bit_in_a_run_is_noticed(tmp_path: Path, place: int) -> None:
    ids = random_ids(3000, 3)
    data = bytearray(write(tmp_path / "run", ids))
    data[place] ^= 4
    with pytest.raises(CorruptObjectError):
        opened(bytes(data)).contains(ids)


def test_a_run_must_have_the_announced_length(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="announced"):
        write_run(tmp_path / "run", iter([random_ids(3, 1)]), 4)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.lists(st.integers(0, 2**66), unique=True, max_size=20), max_size=5), st.integers(1, 7))
def test_merged_streams_are_one_sorted_stream(streams: list[list[int]], chunk: int) -> None:
    def words(numbers: list[int]) -> np.ndarray:
        return np.array([[n >> 64, n & (2**64 - 1)] for n in numbers], dtype=np.uint64).reshape(-1, 2)

    chunked = [
        iter([words(sorted(stream))[at : at + chunk] for at in range(0, len(stream), chunk)])
        for stream in streams
    ]
    merged = [tuple(row) for part in merge(chunked) for row in part.tolist()]
    assert merged == sorted(tuple(row) for stream in streams for row in words(stream).tolist())


def test_runs_stay_few_and_are_written_seldom() -> None:
    sizes: list[int] = []
    written = total = 0
    for _ in range(500):
        kept = runs_that_stay(sizes, 100)
        merged = 100 + sum(sizes[kept:])
        sizes = [*sizes[:kept], merged]
        written, total = written + merged, total + 100
    assert sum(sizes) == total
    assert len(sizes) <= 10
    assert written <= 10 * total


def test_an_index_grows_over_waves_and_passes_runs_on(tmp_path: Path) -> None:
    store = MemoryStore()
    ids = random_ids(40_000, 4)
    batches = np.array_split(np.random.default_rng(1).permutation(len(ids)), 8)
    refs: list[ObjectRef] = []
    known = np.zeros(len(ids), dtype=np.bool_)
    for wave, batch in enumerate(batches):
        task = UnitTask(job_id="j1", unit_id=f"j1/w{wave:04d}/r0000")
        index = SeenIndex(new_context(task, JobSpec(), store, tmp_path), refs)
        assert index.contains(ids).tolist() == known.tolist()
        refs = index.with_new(ids[np.sort(batch)])
        known[batch] = True
        assert sum(ref.rows for ref in refs) == known.sum()
    last = SeenIndex(
        new_context(UnitTask(job_id="j1", unit_id="j1/w0008/r0000"), JobSpec(), store, tmp_path), refs
    )
    assert last.contains(ids).all()
    assert last.with_new(ids[:0]) == refs
