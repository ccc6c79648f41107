"""Files written straight into a store, where it is a folder; by way of a scratch file elsewhere."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.store.disk import disk_errors
from pairmill.store.port import ObjectInfo, ObjectStore
from pairmill_explorer.subsets.exports.job import WrittenFile
from pairmill_explorer.subsets.exports.layout import folder


@runtime_checkable
class WritesInPlace(Protocol):
    """A store that gives the file to write an object to, so that its bytes are written once."""

    def put_written(self, key: str, write: Callable[[BinaryIO], bytes]) -> ObjectInfo:
        """Stores what `write` writes, which returns its SHA-256; durable on return."""
        ...


class HashingFile(io.RawIOBase):
    """A file that knows the digest of what was written to it."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._digest = hashlib.sha256()
        self.position = 0

    def write(self, data: Any) -> int:
        """Appends bytes."""
        self._digest.update(data)
        self._file.write(data)
        self.position += len(data)
        return len(data)

    def tell(self) -> int:
        """Returns how many bytes were written."""
        return self.position

    def writable(self) -> bool:
        """Returns True."""
        return True

    def digest(self) -> bytes:
        """Returns the SHA-256 of what was written."""
        return self._digest.digest()


def write_parquet(file: HashingFile, table: pa.Table) -> None:
    """Writes a table as parquet; equal tables give equal bytes."""
    with pa.PythonFile(file, mode="w") as sink:
        pq.write_table(table, sink, compression="zstd", write_page_checksum=True)


@dataclass(frozen=True, slots=True)
class Sink:
    """Where the files of an export go. Thread-safe."""

    store: ObjectStore
    export_id: str
    scratch: Path  # folder for files on their way to a store that is none

    def put(self, name: str, rows: int, write: Callable[[HashingFile], None]) -> WrittenFile:
        """Stores what `write` writes and returns what is said of it; `name` is its path in the export."""
        key = folder(self.export_id) + name

        def written(file: BinaryIO) -> bytes:
            hashing = HashingFile(file)
            write(hashing)
            return hashing.digest()

        if isinstance(self.store, WritesInPlace):
            info = self.store.put_written(key, written)
        else:
            info = self._put_by_scratch(key, written)
        return WrittenFile(path=name, rows=rows, bytes=info.size_bytes, sha256=info.sha256.hex())

    def _put_by_scratch(self, key: str, written: Callable[[BinaryIO], bytes]) -> ObjectInfo:
        with disk_errors("scratch"), tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            path = Path(folder) / "object"
            with path.open("wb") as file:
                written(file)
            return self.store.put_file(key, path)
