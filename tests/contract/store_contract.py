"""What every object store promises. Subclasses give the store and a way to damage an object."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from pairmill.errors import CorruptObjectError, ObjectMissingError
from pairmill.store.port import ObjectStore

DATA: Final = bytes(range(256)) * 20
DIGEST: Final = hashlib.sha256(DATA).digest()
OTHER_DIGEST: Final = hashlib.sha256(b"other").digest()

BAD_KEYS: Final = (
    "", "/absolute", "a/../b", "..", "a/./b", "a//b", "a/", "nul\0byte", "line\nbreak", "back\\slash",
    ".checksums/a", "a/.tmp-b", "x" * 1025, "\ud800",
)  # fmt: skip

Damage = Callable[[str, int], None]
"""Flips the bits of one byte of a stored object."""


class StoreContract:
    """Run by pytest for each subclass, which has to override the fixtures `store` and `damage`."""

    @pytest.fixture
    def store(self) -> ObjectStore:
        """An empty store that takes other bytes under an old key."""
        raise NotImplementedError

    @pytest.fixture
    def damage(self) -> Damage:
        raise NotImplementedError

    def test_bytes_come_back_as_they_were_put(self, store: ObjectStore) -> None:
        info = store.put("a/b/c.bin", DATA)
        assert (info.key, info.size_bytes, info.sha256) == ("a/b/c.bin", len(DATA), DIGEST)
        assert store.get("a/b/c.bin") == store.get("a/b/c.bin", sha256=DIGEST) == DATA
        assert store.stat("a/b/c.bin") == info

    def test_files_come_back_as_they_were_put(self, store: ObjectStore, tmp_path: Path) -> None:
        source, target = tmp_path / "source", tmp_path / "target"
        source.write_bytes(DATA * 1000)  # several blocks
        info = store.put_file("a/file", source)
        source.unlink()
        assert store.fetch("a/file", target, sha256=info.sha256) == info
        assert target.read_bytes() == DATA * 1000

    def test_an_empty_object_is_an_object(self, store: ObjectStore) -> None:
        store.put("empty", b"")
        assert store.get("empty") == b""
        found = store.stat("empty")
        assert found is not None
        assert found.size_bytes == 0

    @pytest.mark.parametrize(
        ("start", "length"), [(0, 10), (100, 1), (5000, 500), (len(DATA) - 3, 100), (len(DATA), 5), (7, 0)]
    )
    def test_ranges_end_with_the_object(self, store: ObjectStore, start: int, length: int) -> None:
        store.put("a", DATA)
        assert store.get_range("a", start, length) == DATA[start : start + length]

    def test_an_absent_object_is_missing(self, store: ObjectStore, tmp_path: Path) -> None:
        store.put("folder/there", DATA)
        for key in ("nothing", "folder", "folder/there/below"):
            assert store.stat(key) is None
            with pytest.raises(ObjectMissingError, match=key):
                store.get(key)
            with pytest.raises(ObjectMissingError):
                store.get_range(key, 0, 1)
            with pytest.raises(ObjectMissingError):
                store.fetch(key, tmp_path / "target")
        assert not (tmp_path / "target").exists()

    def test_g4_a_flipped_byte_is_found_on_reading(
        self, store: ObjectStore, damage: Damage, tmp_path: Path
    ) -> None:
        store.put("a", DATA)
        damage("a", 777)
        with pytest.raises(CorruptObjectError, match="a"):
            store.get("a")
        with pytest.raises(CorruptObjectError):
            store.fetch("a", tmp_path / "target")
        assert list(tmp_path.glob("*target*")) == [], "nothing unverified is left behind"

    def test_g4_another_object_than_the_announced_one_is_corrupt(
        self, store: ObjectStore, tmp_path: Path
    ) -> None:
        store.put("a", DATA)
        with pytest.raises(CorruptObjectError):
            store.get("a", sha256=OTHER_DIGEST)
        with pytest.raises(CorruptObjectError):
            store.fetch("a", tmp_path / "target", sha256=OTHER_DIGEST)

    def test_g2_the_same_bytes_may_be_put_again(self, store: ObjectStore) -> None:
        first, second = store.put("a", DATA), store.put("a", DATA)
        assert first == second
        assert store.get("a", sha256=DIGEST) == DATA

    def test_a_replaced_object_has_its_new_checksum(self, store: ObjectStore) -> None:
        store.put("dataset.json", DATA)
        store.put("dataset.json", b"other")
        assert store.get("dataset.json", sha256=OTHER_DIGEST) == b"other"
        found = store.stat("dataset.json")
        assert found is not None
        assert found.sha256 == OTHER_DIGEST

    def test_a_listing_is_in_order_of_keys(self, store: ObjectStore) -> None:
        keys = ["b/2", "a.b", "a/b/c", "a/b", "a-b", "b/10", "ä/1"]
        keys.remove("a/b")
        for key in keys:
            store.put(key, key.encode())
        assert [info.key for info in store.list("")] == sorted(keys)
        assert [info.key for info in store.list("b/")] == ["b/10", "b/2"]
        assert [info.key for info in store.list("b/1")] == ["b/10"]
        assert [info.key for info in store.list("a/b")] == ["a/b/c"]
        assert list(store.list("nowhere/")) == []
        assert next(iter(store.list("b/10"))).size_bytes == len(b"b/10")

    def test_a_deletion_may_be_repeated(self, store: ObjectStore) -> None:
        store.put("a/b", DATA)
        store.put("a/c", DATA)
        for _ in range(3):
            store.delete("a/b")
        store.delete("a")
        assert [info.key for info in store.list("")] == ["a/c"]
        with pytest.raises(ObjectMissingError):
            store.get("a/b")

    def test_many_are_deleted_and_absent_ones_passed_over(self, store: ObjectStore) -> None:
        for number in range(30):
            store.put(f"a/{number}", b"x")
        store.put("a b/ü&<>", b"x")
        store.put("stays", b"x")
        for _ in range(2):
            store.delete_all(iter([*(f"a/{number}" for number in range(30)), "absent", "a b/ü&<>"]))
        assert [info.key for info in store.list("")] == ["stays"]

    def test_a_listing_goes_on_while_what_it_told_of_is_deleted(self, store: ObjectStore) -> None:
        for number in range(10):
            store.put(f"a/{number}", b"x")
        seen = []
        for info in store.list("a/"):
            store.delete(info.key)
            seen.append(info.key)
        assert seen == [f"a/{number}" for number in range(10)]

    @pytest.mark.parametrize("key", BAD_KEYS, ids=[ascii(key)[:20] for key in BAD_KEYS])
    def test_keys_that_are_no_plain_paths_are_refused(
        self, store: ObjectStore, key: str, tmp_path: Path
    ) -> None:
        (tmp_path / "source").write_bytes(b"x")
        with pytest.raises(ValueError):
            store.put(key, b"x")
        with pytest.raises(ValueError):
            store.put_file(key, tmp_path / "source")
        with pytest.raises(ValueError):
            store.get(key)
        with pytest.raises(ValueError):
            store.stat(key)
        with pytest.raises(ValueError):
            store.delete(key)

    def test_a_listing_does_not_leave_the_store(self, store: ObjectStore) -> None:
        for prefix in ("../", "/etc/", "a/../../"):
            with pytest.raises(ValueError):
                list(store.list(prefix))

    def test_g3_writers_of_one_key_leave_one_readable_object(self, store: ObjectStore) -> None:
        start = threading.Barrier(6)

        def write(number: int) -> None:
            start.wait()
            for _ in range(5):
                store.put("same/key", f"writer {number % 2}".encode() * 3000)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        data = store.get("same/key")
        assert data in (b"writer 0" * 3000, b"writer 1" * 3000)
        assert [info.key for info in store.list("")] == ["same/key"]

    def test_ping_passes(self, store: ObjectStore) -> None:
        store.ping()
