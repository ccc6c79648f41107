"""The store as a folder: whole-or-absent objects, checksums beside them.

An object is written to a temporary file, its checksum to `.checksums/<key>`, and only then renamed
into place, each step synced. So an object that is there has its checksum, and a kill leaves at most a
checksum without an object, which means absent. Temporary files carry the process id; those of dead
processes are swept when a store is opened.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from pairmill.errors import (
    ConfigurationError,
    CorruptObjectError,
    NoSpaceError,
    ObjectMissingError,
    RetriableError,
)
from pairmill.store.keys import check_key
from pairmill.store.port import ObjectInfo

_CHECKSUMS: Final = ".checksums"
_TEMPORARY: Final = ".tmp-"
_BLOCK: Final = 1 << 20
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_READ_ONLY: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


class DirectoryStore:
    """Objects as files below a root. Thread-safe, and safe among processes."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._checksums = self._root / _CHECKSUMS
        with _translated("--out"):
            self._checksums.mkdir(parents=True, exist_ok=True)
        self._sweep()

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

    def get(self, key: str, *, sha256: bytes | None = None) -> bytes:
        """Returns an object's bytes, verified."""
        with self._reading(key) as file:
            data = file.read()
        self._verify(key, hashlib.sha256(data).digest(), sha256)
        return data

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Returns a part of an object, unverified."""
        with self._reading(key) as file:
            file.seek(start)
            return file.read(length)

    def fetch(self, key: str, path: Path, *, sha256: bytes | None = None) -> ObjectInfo:
        """Writes an object to a file, verified; the file is removed if it does not verify."""
        digest, size = hashlib.sha256(), 0
        with self._reading(key) as source, _translated("scratch"), path.open("wb") as target:
            while block := source.read(_BLOCK):
                digest.update(block)
                size += len(block)
                target.write(block)
        try:
            self._verify(key, digest.digest(), sha256)
        except CorruptObjectError:
            path.unlink()
            raise
        return ObjectInfo(key=key, size_bytes=size, sha256=digest.digest())

    def stat(self, key: str) -> ObjectInfo | None:
        """Returns size and stored checksum, or None if the object is absent."""
        path = self._path(key)
        try:
            size = path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        return ObjectInfo(key=key, size_bytes=size, sha256=self._stored_checksum(key))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yields the objects under a prefix in order of keys."""
        folder = self._root / prefix.rpartition("/")[0]
        keys = (
            (Path(where) / name).relative_to(self._root).as_posix()
            for where, _, names in os.walk(folder)
            for name in names
            if not name.startswith(_TEMPORARY)
        )
        for key in sorted(key for key in keys if key.startswith(prefix) and not key.startswith(".")):
            info = self.stat(key)
            if info is not None:
                yield info

    def delete(self, key: str) -> None:
        """Removes an object, then its checksum."""
        with _translated("--out"):
            self._path(key).unlink(missing_ok=True)
            (self._checksums / key).unlink(missing_ok=True)

    def ping(self) -> None:
        """Raises RetriableError if the folder is away."""
        if not self._root.is_dir():
            raise RetriableError(f"the folder {self._root} is away")

    def close(self) -> None:
        """Nothing is held open."""

    def _path(self, key: str) -> Path:
        check_key(key)
        return self._root / key

    @contextmanager
    def _writing(self, key: str) -> Iterator[tuple[BinaryIO, Path]]:
        path = self._path(key)
        name = f"{_TEMPORARY}{os.getpid()}-{threading.get_ident()}-{path.name}"[:250]
        temporary = path.parent / name
        try:
            with _translated("--out"):
                path.parent.mkdir(parents=True, exist_ok=True)
                with temporary.open("wb") as file:
                    yield file, temporary
        finally:
            temporary.unlink(missing_ok=True)

    def _publish(self, key: str, file: BinaryIO, temporary: Path, size: int, digest: bytes) -> ObjectInfo:
        file.flush()
        os.fsync(file.fileno())
        self._write_checksum(key, digest)
        path = self._path(key)
        temporary.replace(path)
        _sync_folder(path.parent)
        return ObjectInfo(key=key, size_bytes=size, sha256=digest)

    def _write_checksum(self, key: str, digest: bytes) -> None:
        path = self._checksums / key
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f"{_TEMPORARY}{os.getpid()}-{threading.get_ident()}-{path.name}"[:250]
        with temporary.open("wb") as file:
            file.write(digest.hex().encode())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    @contextmanager
    def _reading(self, key: str) -> Iterator[BinaryIO]:
        try:
            file = self._path(key).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise ObjectMissingError(f"there is no object {key}") from error
        with file:
            yield file

    def _stored_checksum(self, key: str) -> bytes:
        try:
            return bytes.fromhex((self._checksums / key).read_text())
        except (OSError, ValueError) as error:
            raise CorruptObjectError(f"object {key} has no readable checksum") from error

    def _verify(self, key: str, found: bytes, wanted: bytes | None) -> None:
        if found != self._stored_checksum(key) or (wanted is not None and found != wanted):
            raise CorruptObjectError(f"object {key} does not have the checksum it was written with")

    def _sweep(self) -> None:
        for path in self._root.rglob(f"{_TEMPORARY}*"):
            owner = path.name.removeprefix(_TEMPORARY).partition("-")[0]
            if not owner.isdigit() or not Path(f"/proc/{owner}").exists():
                path.unlink(missing_ok=True)


@contextmanager
def _translated(option: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise NoSpaceError(f"{option}: no space left: {error}") from error
        if error.errno in _READ_ONLY:
            raise ConfigurationError(
                f"{option}: cannot be written ({error.strerror}); choose a writable folder"
            ) from error
        raise


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
