"""Where a dataset's files are read from: a folder, or an object store."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from pairmill.errors import CorruptObjectError, InvalidRecordError, ObjectMissingError
from pairmill.store.port import ObjectStore

UNREADABLE: Final = (CorruptObjectError, InvalidRecordError, ObjectMissingError)
"""What reading raises where a dataset is not as it should be. That its store is away says nothing of it."""


class DatasetFiles(Protocol):
    """Read access to files by their path in the dataset, such as `data/en/part-….parquet`.

    Nothing is verified here: whoever reads compares with the manifest. Raises ObjectMissingError for
    a file that is not there and InvalidRecordError for a path that leads out of the dataset.
    """

    def size(self, path: str) -> int | None:
        """Returns a file's size in bytes, or None if it is not there."""
        ...

    def read(self, path: str) -> bytes:
        """Returns a file's bytes."""
        ...

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Returns `length` bytes from `start`, fewer at the end."""
        ...

    def local(self, path: str) -> AbstractContextManager[Path]:
        """Gives a file as a local one while the context lasts, in bounded memory."""
        ...


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """A dataset in a folder; files are read where they lie."""

    root: Path

    def __str__(self) -> str:
        """Returns the folder, for messages."""
        return str(self.root)

    def size(self, path: str) -> int | None:
        """Returns a file's size in bytes, or None if it is not there."""
        found = self._path(path)
        return found.stat().st_size if found.is_file() else None

    def read(self, path: str) -> bytes:
        """Returns a file's bytes."""
        return self._existing(path).read_bytes()

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Returns `length` bytes from `start`, fewer at the end."""
        with self._existing(path).open("rb") as file:
            file.seek(start)
            return file.read(length)

    @contextmanager
    def local(self, path: str) -> Iterator[Path]:
        """Gives the file itself."""
        yield self._existing(path)

    def _path(self, path: str) -> Path:
        return self.root / checked_path(path)

    def _existing(self, path: str) -> Path:
        found = self._path(path)
        if not found.is_file():
            raise ObjectMissingError(f"{path} is not there")
        return found


@dataclass(frozen=True, slots=True)
class StoreFiles:
    """A dataset in an object store; whole files are copied to a temporary folder while they are read.

    `scratch` holds that folder; without one it is the system's.

    Besides what whoever reads compares, the store compares each whole file with the checksum beside it.
    """

    store: ObjectStore
    scratch: Path | None = None

    def __str__(self) -> str:
        """Returns the store's address, for messages."""
        return str(self.store)

    def size(self, path: str) -> int | None:
        """Returns an object's size in bytes, or None if it is not there."""
        info = self.store.stat(checked_path(path))
        return info.size_bytes if info is not None else None

    def read(self, path: str) -> bytes:
        """Returns an object's bytes."""
        return self.store.get(checked_path(path))

    def read_range(self, path: str, start: int, length: int) -> bytes:
        """Returns `length` bytes from `start`, fewer at the end."""
        return self.store.get_range(checked_path(path), start, length)

    @contextmanager
    def local(self, path: str) -> Iterator[Path]:
        """Gives a copy that is removed afterwards."""
        with tempfile.TemporaryDirectory(prefix="pairmill-", dir=self.scratch) as folder:
            copy = Path(folder) / PurePosixPath(path).name
            self.store.fetch(checked_path(path), copy)
            yield copy


def files_of(where: Path | ObjectStore, *, scratch: Path | None = None) -> DatasetFiles:
    """Returns read access to the dataset in a folder or a store, whose files are copied to `scratch`."""
    return FolderFiles(where) if isinstance(where, Path) else StoreFiles(where, scratch)


def checked_path(path: str) -> str:
    """Returns a path that stays within the dataset; raises InvalidRecordError for any other."""
    parts = path.split("/")
    if not path or "\0" in path or "\\" in path or any(part in ("", ".", "..") for part in parts):
        raise InvalidRecordError(f"{path[:200]!r} is no path within the dataset")
    return path
