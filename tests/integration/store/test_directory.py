"""The directory store under kills, full disks and folders that go away."""

from __future__ import annotations

import hashlib
import random
import resource
import signal
from pathlib import Path

import pytest

from pairmill.errors import ConfigurationError, CorruptObjectError, NoSpaceError, RetriableError
from pairmill.store.directory import DirectoryStore
from pairmill.store.factory import open_store
from tests.fakes.processes import Child, has_ended, wait_until

CHILD = "tests.fakes.child"


def temporaries(root: Path) -> list[Path]:
    return list(root.rglob(".tmp-*"))


@pytest.mark.parametrize("how", ["put", "put_file"])
def test_g1_objects_are_whole_or_absent_whenever_the_writer_is_killed(tmp_path: Path, how: str) -> None:
    root = tmp_path / "out"
    draw = random.Random(7)
    promised: dict[str, str] = {}
    for life in range(6):
        with Child(CHILD, "store", root, f"w{life}", "3000000", how) as child:
            child.wait_for_lines(draw.randrange(2, 25))
            promised.update(dict(line.split(" ", 1) for line in child.kill() if " " in line))
        store = DirectoryStore(root)
        assert temporaries(root) == [], "what a dead writer left is swept"
        listed = {info.key for info in store.list("")}
        assert promised.keys() <= listed
        for key in listed:
            digest = hashlib.sha256(store.get(key)).hexdigest()
            assert promised.get(key, digest) == digest


def test_g1_a_replaced_object_is_readable_whenever_the_writer_is_killed(tmp_path: Path) -> None:
    root = tmp_path / "out"
    for life in range(6):
        with Child(CHILD, "store", root, f"w{life}", "50000", "replace") as child:
            child.wait_for_lines(6)
            last = child.kill()[-1].split()[1]
        store = DirectoryStore(root)
        found = store.stat("replaced.bin")
        assert found is not None
        digest = hashlib.sha256(store.get("replaced.bin")).digest()
        assert found.sha256 == digest
        assert found.size_bytes == (root / "replaced.bin").stat().st_size
        assert last


def test_g1_a_kill_between_checksum_and_object_leaves_the_old_one_readable(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put("a", b"old")
    digests = [hashlib.sha256(data).hexdigest() for data in (b"old", b"new")]
    (tmp_path / ".checksums" / "a").write_text("\n".join(digests))
    assert store.get("a") == b"old"
    found = store.stat("a")
    assert found is not None
    assert found.sha256.hex() == digests[0]
    store.put("a", b"new")
    assert (tmp_path / ".checksums" / "a").read_text() == digests[1]


def test_files_that_are_being_written_are_not_listed_and_not_swept(tmp_path: Path) -> None:
    with Child(CHILD, "store", tmp_path / "out", "w", "9000000", "put") as child:
        wait_until(lambda: bool(temporaries(tmp_path)))
        store = DirectoryStore(tmp_path / "out")
        assert not any(".tmp-" in info.key for info in store.list(""))
        wait_until(lambda: len(child.lines) > 3)
        assert child.running, "its files were left alone"


def test_what_a_killed_writer_left_is_swept_before_its_parent_asks_how_it_ended(tmp_path: Path) -> None:
    """Its process id is still taken then, by a process that runs no more."""
    left: list[Path] = []
    while not left:
        with Child(CHILD, "store", tmp_path / "out", "w", "9000000", "put") as child:
            wait_until(lambda: bool(temporaries(tmp_path)))
            child.signal(signal.SIGKILL)
            wait_until(lambda: has_ended(child.pid))
            left = temporaries(tmp_path)
            DirectoryStore(tmp_path / "out")
            assert temporaries(tmp_path) == []


def test_a17_a_full_disk_leaves_no_truncated_object(small_disk: Path) -> None:
    store = DirectoryStore(small_disk)
    store.put("fits", b"x" * 500_000)
    with pytest.raises(NoSpaceError, match="no space"):
        store.put("large", b"x" * 4_000_000)
    assert [info.key for info in store.list("")] == ["fits"]
    assert temporaries(small_disk) == []
    store.delete("fits")
    store.put("large", b"x" * 1_000_000)
    assert len(store.get("large")) == 1_000_000


def test_a17_a_full_scratch_disk_leaves_no_partial_copy(small_disk: Path, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "out")
    store.put("large", b"x" * 4_000_000)
    with pytest.raises(NoSpaceError):
        store.fetch("large", small_disk / "copy")
    assert list(small_disk.iterdir()) == []


def test_a17_a_limit_on_file_sizes_counts_as_a_full_disk(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(NoSpaceError):
            store.put("large", b"x" * 200_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(store.list("")) == []


def test_u15_a_folder_that_is_away_is_waited_for(tmp_path: Path) -> None:
    """A disk that was unmounted is neither an empty store nor to be made anew."""
    root = tmp_path / "out"
    store = DirectoryStore(root)
    store.put("a", b"data")
    root.rename(tmp_path / "elsewhere")
    for call in (store.ping, lambda: store.get("a"), lambda: store.put("b", b"x")):
        with pytest.raises(RetriableError, match="away"):
            call()
    assert not root.exists()
    (tmp_path / "elsewhere").rename(root)
    store.ping()
    assert store.get("a") == b"data"


def test_g4_an_object_without_its_checksum_is_corrupt_and_a_foreign_file_is_no_object(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put("a", b"data")
    (tmp_path / ".checksums" / "a").write_text("")
    with pytest.raises(CorruptObjectError, match="checksum"):
        store.get("a")
    (tmp_path / "foreign.txt").write_text("hello")
    assert "foreign.txt" not in [info.key for info in store.list("f")]


def test_an_address_names_the_store() -> None:
    with pytest.raises(ConfigurationError, match="store_url"):
        open_store("nowhere")
