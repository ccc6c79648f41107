"""Comparing files with the checksums that their manifests state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pairmill.dataset.manifest import FileEntry
from pairmill.dataset.reader import Dataset
from pairmill.dataset.source import DatasetFiles
from pairmill.errors import CorruptObjectError

_BLOCK: Final = 1 << 20


def compare(path: Path, name: str, sha256: str) -> None:
    """Raises CorruptObjectError, with the file's name, unless it is there and has this digest, in hex."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as opened:
            while block := opened.read(_BLOCK):
                digest.update(block)
    except FileNotFoundError as error:
        raise CorruptObjectError(f"{name}: the file is not there") from error
    if digest.hexdigest() != sha256:
        raise CorruptObjectError(f"{name} does not have the checksum it was written with")


def compared(dataset: Dataset, entry: FileEntry) -> Dataset:
    """Returns the dataset as one to read this file of: opening it compares it with its digest."""
    return replace(dataset, source=_Compared(dataset.source, entry))


@dataclass(frozen=True, slots=True)
class _Compared:
    """A dataset's files, of which one is compared before it is given."""

    files: DatasetFiles
    entry: FileEntry

    def size(self, path: str) -> int | None:
        return self.files.size(path)

    def read(self, path: str) -> bytes:
        return self.files.read(path)

    def read_range(self, path: str, start: int, length: int) -> bytes:
        return self.files.read_range(path, start, length)

    @contextmanager
    def local(self, path: str) -> Iterator[Path]:
        with self.files.local(path) as found:
            if path == self.entry.path:
                compare(found, path, self.entry.sha256)
            yield found
