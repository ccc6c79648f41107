"""The store's contract over every adapter and the fake."""

from __future__ import annotations

from pathlib import Path

import pytest

from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectStore
from pairmill.store.scoped import ScopedStore
from tests.contract.store_contract import Damage, StoreContract
from tests.fakes.store import MemoryStore


class TestDirectoryStore(StoreContract):
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return tmp_path / "out" / "dataset"

    @pytest.fixture
    def store(self, root: Path) -> ObjectStore:
        return DirectoryStore(root)

    @pytest.fixture
    def damage(self, root: Path) -> Damage:
        def flip(key: str, place: int) -> None:
            data = bytearray((root / key).read_bytes())
            data[place] ^= 0xFF
            (root / key).write_bytes(data)

        return flip


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def memory(self) -> MemoryStore:
        return MemoryStore(strict=False)

    @pytest.fixture
    def store(self, memory: MemoryStore) -> ObjectStore:
        return memory

    @pytest.fixture
    def damage(self, memory: MemoryStore) -> Damage:
        def flip(key: str, place: int) -> None:
            data = bytearray(memory.objects[key])
            data[place] ^= 0xFF
            memory.objects[key] = bytes(data)

        return flip


class TestScopedStore(TestMemoryStore):
    """Beside objects that are none of its own."""

    @pytest.fixture
    def store(self, memory: MemoryStore) -> ObjectStore:
        for key in ("jobs/one.bin", "jobs/other/a", "jobs/one-more/a", "a"):
            memory.put(key, b"of another dataset")
        return ScopedStore(memory, "jobs/one")

    @pytest.fixture
    def damage(self, memory: MemoryStore) -> Damage:
        def flip(key: str, place: int) -> None:
            data = bytearray(memory.objects[f"jobs/one/{key}"])
            data[place] ^= 0xFF
            memory.objects[f"jobs/one/{key}"] = bytes(data)

        return flip

    @pytest.mark.parametrize("folder", ["", "/", "../other", "jobs/", ".hidden"])
    def test_a_folder_is_a_plain_path(self, memory: MemoryStore, folder: str) -> None:
        with pytest.raises(ValueError):
            ScopedStore(memory, folder)

    def test_a_closed_view_leaves_the_store_open(self, store: ObjectStore, memory: MemoryStore) -> None:
        with store:
            store.put("a", b"x")
        assert memory.get("jobs/one/a") == b"x"
