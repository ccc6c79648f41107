"""Files of a bucket are fetched before they are asked for: some at once, each once, in bounded room."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from pairmill.dataset.ahead import THREADS, FilesAhead
from pairmill.dataset.audit import audit
from pairmill.dataset.manifest import FileEntry
from pairmill.errors import ObjectMissingError
from tests.fakes.processes import wait_until
from tests.fakes.store import MemoryStore


class Distant:
    """Files from afar: a fetch waits until it may end, and its copy is gone when it is given back."""

    def __init__(self, folder: Path, missing: frozenset[str] = frozenset()) -> None:
        self._folder = folder
        self._missing = missing
        self._lock = threading.Lock()
        self.arrives = threading.Event()
        self.arrives.set()
        self.fetched: list[str] = []
        self.under_way = self.most_under_way = 0

    def size(self, path: str) -> int | None:
        return len(path)

    def read(self, path: str) -> bytes:
        return path.encode()

    def read_range(self, path: str, start: int, length: int) -> bytes:
        return path.encode()[start : start + length]

    @contextmanager
    def local(self, path: str) -> Iterator[Path]:
        with self._lock:
            self.fetched.append(path)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        assert self.arrives.wait(20)
        with self._lock:
            self.under_way -= 1
        if path in self._missing:
            raise ObjectMissingError(f"{path} is not there")
        copy = self._folder / path
        copy.write_text(path)
        yield copy
        copy.unlink()

    def copies(self) -> int:
        return len(list(self._folder.iterdir()))


def entries(names: Sequence[str], size: int = 1) -> list[FileEntry]:
    return [FileEntry(path=name, role="shard", rows=1, bytes=size, sha256="") for name in names]


NAMES = [f"file-{number:03}" for number in range(30)]


def read(files: FilesAhead, name: str) -> str:
    with files.local(name) as path:
        return path.read_text()


def test_some_are_fetched_at_once_before_anybody_asks(tmp_path: Path) -> None:
    distant = Distant(tmp_path)
    distant.arrives.clear()
    with FilesAhead(distant, entries(NAMES)) as files:
        wait_until(lambda: distant.under_way == THREADS)
        distant.arrives.set()
        assert [read(files, name) for name in NAMES] == NAMES
    assert sorted(distant.fetched) == NAMES, "each once"
    assert distant.most_under_way == THREADS
    assert distant.copies() == 0


def test_what_is_ahead_is_bounded_in_files_and_bytes(tmp_path: Path) -> None:
    distant = Distant(tmp_path)
    with FilesAhead(distant, entries(NAMES), most_files=3) as files:
        assert read(files, NAMES[0]) == NAMES[0]
        wait_until(lambda: distant.copies() == 3)
    distant.fetched.clear()
    with FilesAhead(distant, entries(NAMES, size=60), most_bytes=100) as files:
        wait_until(lambda: distant.copies() == 1)
        assert read(files, NAMES[0]) == NAMES[0]
        wait_until(lambda: distant.fetched == NAMES[:2])
    distant.fetched.clear()
    with FilesAhead(distant, entries(NAMES[:2], size=600), most_bytes=100) as files:
        assert [read(files, name) for name in NAMES[:2]] == NAMES[:2], "one that is too large comes alone"
    assert distant.copies() == 0


def test_a_file_out_of_turn_is_fetched_then_and_not_again(tmp_path: Path) -> None:
    distant = Distant(tmp_path)
    with FilesAhead(distant, entries(NAMES), most_files=3) as files:
        assert read(files, NAMES[20]) == NAMES[20]
        assert [read(files, name) for name in NAMES[:20]] == NAMES[:20]
        assert [read(files, name) for name in NAMES[21:]] == NAMES[21:]
    assert sorted(distant.fetched) == NAMES


def test_files_that_nobody_asks_for_do_not_stand_in_the_way_for_ever(tmp_path: Path) -> None:
    distant = Distant(tmp_path)
    with FilesAhead(distant, entries(NAMES), most_files=3) as files:
        assert [read(files, name) for name in NAMES[3:10]] == NAMES[3:10]
        wait_until(lambda: NAMES[10] in distant.fetched)
        assert [read(files, name) for name in NAMES[10:]] == NAMES[10:]
    assert sorted(set(distant.fetched) - set(NAMES[:3])) == NAMES[3:]
    assert len(distant.fetched) == len(set(distant.fetched)), "each once"
    assert distant.copies() == 0


def test_a_file_in_use_stays_while_others_are_asked_for_out_of_turn(tmp_path: Path) -> None:
    distant = Distant(tmp_path)
    with FilesAhead(distant, entries(NAMES), most_files=3) as files, files.local(NAMES[0]) as held:
        assert [read(files, name) for name in NAMES[10:20]] == NAMES[10:20]
        assert held.read_text() == NAMES[0]
    assert distant.copies() == 0


def test_what_a_fetch_raises_is_raised_where_the_file_is_asked_for(tmp_path: Path) -> None:
    distant = Distant(tmp_path, missing=frozenset({NAMES[1]}))
    with FilesAhead(distant, entries(NAMES[:3])) as files:
        assert read(files, NAMES[0]) == NAMES[0]
        with pytest.raises(ObjectMissingError, match=NAMES[1]):
            read(files, NAMES[1])
        assert read(files, NAMES[2]) == NAMES[2]


def test_small_questions_go_to_the_source(tmp_path: Path) -> None:
    with FilesAhead(Distant(tmp_path), []) as files:
        assert (files.size("abc"), files.read("abc"), files.read_range("abc", 1, 1)) == (3, b"abc", b"b")


def test_g4_an_audit_of_a_store_finds_what_one_of_a_folder_finds(finished: Path, tmp_path: Path) -> None:
    folder, store = Path(shutil.copytree(finished, tmp_path / "damaged")), MemoryStore()
    tars = sorted((folder / "shards").glob("*.tar"))
    tars[0].unlink()
    damaged = bytearray(tars[1].read_bytes())
    damaged[600] ^= 1
    tars[1].write_bytes(damaged)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            store.put(path.relative_to(folder).as_posix(), path.read_bytes())
    near, afar = audit(folder), audit(store)
    found = [(finding.check, finding.path) for finding in near.findings]
    assert {check for check, _ in found} >= {"missing", "checksum"}
    assert [(finding.check, finding.path) for finding in afar.findings] == found
    assert (afar.files, afar.candidates, afar.final) == (near.files, near.candidates, near.final)
