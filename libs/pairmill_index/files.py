"""An index's files on this machine, where they lie or copied, each compared with its digest once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from pairmill.dataset.source import files_of
from pairmill.store.local import folder_of
from pairmill.store.port import ObjectStore
from pairmill_index.digests import compare
from pairmill_index.layout import FOLDER
from pairmill_index.manifest import IndexFile, IndexVersion

_VERIFIED: Final = "verified.json"


def drop_copies(folder: Path, keep: Iterable[IndexVersion]) -> int:
    """Deletes copies of files that none of these versions names; returns how many.

    What is mapped stays readable for whoever has it open. To be called once a reader has moved on to a new
    version, and by none that shares its folder with another.
    """
    versions = list(keep)
    named = {file.path for one in versions for segment in one.segments for file in segment.files}
    named |= {one.removed.path for one in versions if one.removed is not None}
    copies = [path for path in (folder / FOLDER).rglob("*") if path.is_file()]
    gone = [path for path in copies if path.relative_to(folder).as_posix() not in named]
    for path in gone:
        path.unlink()
    return len(gone)


class _Stamp(msgspec.Struct, frozen=True):
    """What identifies a file whose bytes were compared with its digest."""

    sha256: str
    size: int
    changed_ns: int
    inode: int


def read_whole(store: ObjectStore, path: str) -> bytes:
    """Returns a small file of an index. A folder may have been copied without the store's checksums.

    Raises ObjectMissingError where it is not there; whoever reads compares with what the index says.
    """
    return files_of(folder_of(store) or store).read(path)


def is_stored(store: ObjectStore, path: str) -> bool:
    """Whether a file of an index is there, with a checksum of the store's beside it or without."""
    return files_of(folder_of(store) or store).size(path) is not None


class LocalFiles:
    """Gives an index's files as local ones. Not thread-safe.

    Files of a store that is a folder stay where they are; those of others are copied into `folder`. What was
    compared with its digest is noted there, so that opening again reads nothing twice.
    """

    def __init__(self, store: ObjectStore, folder: Path, *, trusting: bool = True) -> None:
        """Unless `trusting`, what was compared earlier is compared again."""
        self._store = store
        self._folder = folder
        self._place = folder_of(store)
        folder.mkdir(parents=True, exist_ok=True)
        self._stamps = self._noted() if trusting else {}

    def local(self, file: IndexFile) -> Path:
        """Returns where a file lies; raises CorruptObjectError, naming it, unless it is as it was written."""
        path = (self._place or self._folder) / file.path
        if self._place is None and not self._is_verified(path, file):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._store.fetch(file.path, path, sha256=bytes.fromhex(file.sha256))
        elif not self._is_verified(path, file):
            compare(path, file.path, file.sha256)
        self._stamps[file.path] = _stamp(path, file.sha256)
        return path

    def note(self) -> None:
        """Notes what was compared."""
        partial = self._folder / f".{_VERIFIED}-{os.getpid()}"
        partial.write_bytes(msgspec.json.encode(self._stamps))
        partial.replace(self._folder / _VERIFIED)

    def _is_verified(self, path: Path, file: IndexFile) -> bool:
        return path.is_file() and self._stamps.get(file.path) == _stamp(path, file.sha256)

    def _noted(self) -> dict[str, _Stamp]:
        try:
            return msgspec.json.decode((self._folder / _VERIFIED).read_bytes(), type=dict[str, _Stamp])
        except (OSError, msgspec.DecodeError):
            return {}


def _stamp(path: Path, sha256: str) -> _Stamp:
    found = path.stat()
    return _Stamp(sha256, found.st_size, found.st_mtime_ns, found.st_ino)
