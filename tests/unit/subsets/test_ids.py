"""Sorted ids as one file, and the comparison of two of them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from pairmill.errors import CorruptObjectError
from pairmill.idarrays import words_of_bytes
from pairmill_explorer.subsets.diff import diff_of
from pairmill_explorer.subsets.exports.idfile import read_ids, words_in, write_ids
from pairmill_explorer.subsets.exports.layout import ids_key
from pairmill_explorer.subsets.exports.sink import HashingFile, Sink
from tests.fakes.made_segments import MadeSegment, make_segments
from tests.fakes.store import MemoryStore


def saved(
    store: MemoryStore, scratch: Path, name: str, segments: list[MadeSegment], share: float, seed: int
) -> set[str]:
    """Writes the ids of random rows and returns them."""
    draw = np.random.default_rng(seed)
    flags = [draw.random(len(segment.ids)) < share for segment in segments]
    count = sum(int(one.sum()) for one in flags)
    nothing = np.empty((0, 2), dtype=np.uint64)
    sink = Sink(store, name, scratch)
    sink.put("ids.npy", count, lambda file: write_ids(file, segments, flags, count, nothing))
    return {key.hex() for segment, one in zip(segments, flags, strict=True) for key in segment.keys(one)}


def test_ids_are_a_sorted_array_of_pairs_as_datacomp_reads_them(tmp_path: Path) -> None:
    store, segments = MemoryStore(), make_segments(500)
    wanted = saved(store, tmp_path, "a" * 24, segments, 0.6, 1)
    array = np.load(io.BytesIO(store.get(ids_key("a" * 24))))
    assert array.dtype == np.dtype("u8,u8")
    assert [f"{first:016x}{second:016x}" for first, second in array.tolist()] == sorted(wanted)
    assert (np.sort(array) == array).all()


def test_ids_without_some_are_all_others(tmp_path: Path) -> None:
    segments = make_segments(300)
    flags = [np.ones(len(segment.ids), dtype=np.bool_) for segment in segments]
    keys = sorted(key for segment, one in zip(segments, flags, strict=True) for key in segment.keys(one))
    left_out = keys[10:20]
    path = tmp_path / "ids.npy"
    with path.open("wb") as file:
        write_ids(HashingFile(file), segments, flags, 290, words_of_bytes(b"".join(left_out), 16))
    assert [row.tobytes() for row in next(words_in(read_ids(path), 1000)).astype(">u8")] == [
        key for key in keys if key not in left_out
    ]


@pytest.mark.parametrize("seed", range(4))
def test_a_difference_is_that_of_the_sets(tmp_path: Path, seed: int) -> None:
    store, segments = MemoryStore(), make_segments(800, seed)
    old = saved(store, tmp_path, "a" * 24, segments, 0.5, seed)
    new = saved(store, tmp_path, "b" * 24, segments, 0.7, seed + 10)
    found = diff_of(store, "a" * 24, "b" * 24, 1000, scratch=tmp_path, step=64)
    assert (found.common, found.added, found.removed) == (len(old & new), len(new - old), len(old - new))
    assert found.added_ids == sorted(new - old)
    assert found.removed_ids == sorted(old - new)


@pytest.mark.parametrize(("first", "second"), [(0.0, 0.5), (0.5, 0.0), (0.0, 0.0)])
def test_a_difference_to_nothing_is_everything(tmp_path: Path, first: float, second: float) -> None:
    store, segments = MemoryStore(), make_segments(200)
    old = saved(store, tmp_path, "a" * 24, segments, first, 1)
    new = saved(store, tmp_path, "b" * 24, segments, second, 2)
    found = diff_of(store, "a" * 24, "b" * 24, 5, scratch=tmp_path)
    assert (found.common, found.added, found.removed) == (0, len(new), len(old))
    assert (len(found.added_ids), len(found.removed_ids)) == (
        min(len(new), 5),
        min(len(old), 5),
    )


def test_other_bytes_are_no_ids(tmp_path: Path) -> None:
    store, segments = MemoryStore(), make_segments(50)
    saved(store, tmp_path, "a" * 24, segments, 0.5, 1)
    store.put(ids_key("b" * 24), b"no array")
    with pytest.raises(CorruptObjectError):
        diff_of(store, "a" * 24, "b" * 24, 5, scratch=tmp_path)
    with pytest.raises(CorruptObjectError):
        diff_of(store, "a" * 24, "c" * 24, 5, scratch=tmp_path)
