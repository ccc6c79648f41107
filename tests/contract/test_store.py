"""The store's contract over every adapter and the fake."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.s3 import S3Server
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectStore
from pairmill.store.s3 import S3Store
from pairmill.store.scoped import ScopedStore
from pairmill.store.settings import S3Config
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


class TestS3Store(StoreContract):
    """Over a real server."""

    @pytest.fixture
    def bucket(self, s3_server: S3Server) -> str:
        name = f"contract-{secrets.token_hex(6)}"
        s3_server.make_bucket(name)
        return name

    @pytest.fixture
    def store(self, s3_server: S3Server, bucket: str) -> Iterator[ObjectStore]:
        config = S3Config(endpoint=s3_server.endpoint, credentials_file=s3_server.credentials_file)
        with S3Store(bucket, "some/prefix", config) as store:
            yield store

    @pytest.fixture
    def damage(self, s3_server: S3Server, bucket: str) -> Damage:
        def flip(key: str, place: int) -> None:
            path = s3_server.folder / "buckets" / bucket / "some" / "prefix" / key
            with path.open("r+b") as file:
                file.seek(place)
                byte = file.read(1)[0]
                file.seek(place)
                file.write(bytes([byte ^ 0xFF]))

        return flip
