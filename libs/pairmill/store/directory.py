"""The store as a folder: whole-or-absent objects, checksums beside them.

An object is written to a temporary file, its checksum to `.checksums/<key>`, and only then renamed
into place, each step synced. So an object that is there has its checksum, and a kill leaves at most a
checksum without an object, which means absent. While an object is replaced by other bytes, both
checksums stand in its file, so that a kill leaves the old or the new one, readable. Temporary files of
dead processes are swept when a store is opened.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from pairmill.errors import CorruptObjectError, ObjectMissingError, RetriableError
from pairmill.store.disk import disk_errors
from pairmill.store.keys import TEMPORARY, check_key, check_prefix
from pairmill.store.port import ObjectInfo
from pairmill.store.temporary import sweep, writing_beside

_CHECKSUMS: Final = ".checksums"
_BLOCK: Final = 1 << 20


class DirectoryStore:
    """Objects as files below a root. Thread-safe, and safe among processes."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._checksums = self._root / _CHECKSUMS
        with disk_errors("--out"):
            self._checksums.mkdir(parents=True, exist_ok=True)
        sweep(self._root)

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is held open."""

    def __str__(self) -> str:
        """Returns the folder, for messages."""
        return str(self._root)

    @property
    def root(self) -> Path:
        """The folder that holds the objects, each a file named by its key."""
        return self._root

    def put(self, key: str, data: bytes) -> ObjectInfo:
        """Stores bytes; durable on return."""
        with self._writing(key) as (file, temporary):
            file.write(data)
            return self._publish(key, file, temporary, len(data), hashlib.sha256(data).digest())

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        """Stores a copy of a file; durable on return."""
        digest, size = hashlib.sha256(), 0
        with path.open("rb") as source, self._writing(key) as (file, temporary):
            while block := source.read(_BLOCK):
                digest.update(block)
                size += len(block)
                file.write(block)
            return self._publish(key, file, temporary, size, digest.digest())

    def put_written(self, key: str, write: Callable[[BinaryIO], bytes]) -> ObjectInfo:
        """Stores what `write` writes, which returns its SHA-256: no copy is made. Durable on return."""
        with self._writing(key) as (file, temporary):
            digest = write(file)
            return self._publish(key, file, temporary, file.tell(), digest)

    def get(self, key: str, *, sha256: bytes | None = None) -> bytes:
        """Returns an object's bytes, verified."""
        with self._reading(key) as file, disk_errors("--out"):
            data = file.read()
        self._verify(key, hashlib.sha256(data).digest(), sha256)
        return data

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Returns a part of an object, unverified."""
        with self._reading(key) as file, disk_errors("--out"):
            file.seek(start)
            return file.read(length)

    def fetch(self, key: str, path: Path, *, sha256: bytes | None = None) -> ObjectInfo:
        """Writes an object to a file, verified; the file is whole or absent."""
        digest, size = hashlib.sha256(), 0
        with (
            self._reading(key) as source,
            disk_errors("scratch"),
            writing_beside(path) as (target, partial),
        ):
            while block := source.read(_BLOCK):
                digest.update(block)
                size += len(block)
                target.write(block)
            target.flush()
            self._verify(key, digest.digest(), sha256)
            partial.replace(path)
        return ObjectInfo(key=key, size_bytes=size, sha256=digest.digest())

    def stat(self, key: str) -> ObjectInfo | None:
        """Returns size and stored checksum, or None if the object is absent."""
        size = self._size(key)
        if size is None:
            return None
        try:
            stored = self._stored_checksums(key)
        except CorruptObjectError:
            if self._size(key) is None:
                return None  # deleted meanwhile
            raise
        digest = stored[0] if len(stored) == 1 else hashlib.sha256(self.get(key)).digest()
        return ObjectInfo(key=key, size_bytes=size, sha256=digest)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yields the objects under a prefix in order of keys; files without a checksum are none."""
        check_prefix(prefix)
        folder = self._root / prefix.rpartition("/")[0]
        keys = (
            (Path(where) / name).relative_to(self._root).as_posix()
            for where, _, names in os.walk(folder)
            for name in names
            if not name.startswith(TEMPORARY)
        )
        for key in sorted(key for key in keys if key.startswith(prefix) and not key.startswith(".")):
            info = self.stat(key) if (self._checksums / key).is_file() else None
            if info is not None:
                yield info

    def delete(self, key: str) -> None:
        """Removes an object, then its checksum."""
        if self._size(key) is None:
            return
        with disk_errors("--out"):
            self._path(key).unlink(missing_ok=True)
            (self._checksums / key).unlink(missing_ok=True)

    def delete_all(self, keys: Iterable[str]) -> None:
        """Removes objects one by one."""
        for key in keys:
            self.delete(key)

    def abandon_uploads(self, is_own: Callable[[str], bool]) -> int:
        """Removes temporary files of dead processes, whichever keys they were for; returns how many."""
        return sweep(self._root)

    def ping(self) -> None:
        """Raises RetriableError if the folder is away."""
        if not self._checksums.is_dir():
            raise RetriableError(f"the folder {self._root} is away")

    def close(self) -> None:
        """Nothing is held open."""

    def _path(self, key: str) -> Path:
        check_key(key)
        return self._root / key

    @contextmanager
    def _writing(self, key: str) -> Iterator[tuple[BinaryIO, Path]]:
        path = self._path(key)
        self.ping()  # a folder that is away is not to be made anew on the disk below it
        with disk_errors("--out"):
            _make_folder(path.parent)
            with writing_beside(path) as written:
                yield written

    def _publish(self, key: str, file: BinaryIO, temporary: Path, size: int, digest: bytes) -> ObjectInfo:
        file.flush()
        os.fsync(file.fileno())
        path, checksum = self._path(key), self._checksums / key
        _make_folder(checksum.parent)
        with _locked(checksum.parent):
            replaced = self._replaced(key, digest)
            _write_whole(checksum, *replaced, digest)
            temporary.replace(path)
            _sync_folder(path.parent)
            if replaced:
                _write_whole(checksum, digest)
        return ObjectInfo(key=key, size_bytes=size, sha256=digest)

    def _replaced(self, key: str, digest: bytes) -> tuple[bytes, ...]:
        """Returns the checksums that the object may have until it is replaced."""
        if self._size(key) is None:
            return ()
        with contextlib.suppress(CorruptObjectError):
            return tuple(stored for stored in self._stored_checksums(key) if stored != digest)
        return ()

    def _size(self, key: str) -> int | None:
        try:
            found = self._path(key).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    @contextmanager
    def _reading(self, key: str) -> Iterator[BinaryIO]:
        try:
            file = self._path(key).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            self.ping()  # a folder that is away says nothing about its objects
            raise ObjectMissingError(f"there is no object {key}") from error
        except OSError as error:
            with disk_errors("--out"):
                raise error
        with file:
            yield file

    def _stored_checksums(self, key: str) -> tuple[bytes, ...]:
        """Returns the object's checksum, or two while it is replaced."""
        try:
            lines = (self._checksums / key).read_text().split()
            stored = tuple(bytes.fromhex(line) for line in lines)
        except (OSError, ValueError) as error:
            raise CorruptObjectError(f"object {key} has no readable checksum") from error
        if not stored:
            raise CorruptObjectError(f"object {key} has an empty checksum")
        return stored

    def _verify(self, key: str, found: bytes, wanted: bytes | None) -> None:
        if found not in self._stored_checksums(key) or (wanted is not None and found != wanted):
            raise CorruptObjectError(f"object {key} does not have the checksum it was written with")


def _make_folder(folder: Path) -> None:
    """Makes a folder and those above it, each durable in the one above."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _write_whole(path: Path, *checksums: bytes) -> None:
    """Replaces a file of checksums, durably."""
    with writing_beside(path) as (file, temporary):
        file.write("\n".join(checksum.hex() for checksum in checksums).encode())
        file.flush()
        os.fsync(file.fileno())
        temporary.replace(path)
    _sync_folder(path.parent)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lets one writer of a folder at a time bring an object and its checksum together."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
