"""Files that go straight into a store: whole or absent, with their checksum, the same in any store."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import pytest

from pairmill.errors import NoSpaceError
from pairmill.store.directory import DirectoryStore
from pairmill_explorer.subsets.exports.sink import HashingFile, Sink, WritesInPlace
from tests.fakes.store import MemoryStore

EXPORT = "a" * 24
KEY = f"exports/{EXPORT}/data/00000.bin"
BLOCKS = [b"one", b"", b"two" * 50_000]


def write(file: HashingFile) -> None:
    for block in BLOCKS:
        file.write(block)


def test_a_file_is_the_same_in_a_folder_and_elsewhere(tmp_path: Path) -> None:
    folder, other = DirectoryStore(tmp_path / "folder"), MemoryStore()
    assert isinstance(folder, WritesInPlace)
    assert not isinstance(other, WritesInPlace)
    found = [Sink(store, EXPORT, tmp_path).put("data/00000.bin", 3, write) for store in (folder, other)]
    data = b"".join(BLOCKS)
    assert found[0] == found[1]
    assert (found[0].bytes, found[0].sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert folder.get(KEY) == other.get(KEY) == data
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_g1_a_write_that_ends_early_leaves_nothing(tmp_path: Path) -> None:
    def breaks(file: HashingFile) -> None:
        file.write(b"half")
        raise RuntimeError("enough")

    store = DirectoryStore(tmp_path)
    with pytest.raises(RuntimeError):
        Sink(store, EXPORT, tmp_path).put("data/00000.bin", 3, breaks)
    assert store.stat(KEY) is None
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_g2_a_disk_that_is_full_is_named_as_such_wherever_the_file_goes(tmp_path: Path) -> None:
    def fills(file: HashingFile) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    for store in (DirectoryStore(tmp_path), MemoryStore()):
        with pytest.raises(NoSpaceError):
            Sink(store, EXPORT, tmp_path).put("data/00000.bin", 3, fills)


def test_a_file_that_is_written_again_is_replaced_whole(tmp_path: Path) -> None:
    def write_before(file: HashingFile) -> None:
        file.write(b"before")

    store = DirectoryStore(tmp_path)
    Sink(store, EXPORT, tmp_path).put("data/00000.bin", 3, write_before)
    Sink(store, EXPORT, tmp_path).put("data/00000.bin", 3, write)
    assert store.get(KEY) == b"".join(BLOCKS)
