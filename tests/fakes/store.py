"""A store in memory."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from pairmill.errors import CorruptObjectError, NoSpaceError, ObjectMissingError, RetriableError
from pairmill.store.keys import check_key, check_prefix
from pairmill.store.port import ObjectInfo
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef


class MemoryStore(AbstractContextManager["MemoryStore"]):
    """Objects in a dictionary, and keys of `unfinished` uploads. Counts the bytes read by range.

    Can be `away`, `full` or strict. A strict store, the default, refuses other bytes under a key
    that it holds: no stage ever does that.
    """

    def __init__(self, *, strict: bool = True) -> None:
        self.objects: dict[str, bytes] = {}
        self.checksums: dict[str, bytes] = {}
        self.unfinished: set[str] = set()
        self.range_bytes = 0
        self.away = False
        self.full = False
        self._strict = strict
        self._lock = threading.Lock()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def put(self, key: str, data: bytes) -> ObjectInfo:
        check_key(key)
        self.ping()
        if self.full:
            raise NoSpaceError("the store is full")
        with self._lock:
            if self._strict and self.objects.get(key, data) != data:
                raise AssertionError(f"{key} is written twice with different bytes")
            self.objects[key] = bytes(data)
            self.checksums[key] = hashlib.sha256(data).digest()
            return self._info(key)

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        return self.put(key, path.read_bytes())

    def get(self, key: str, *, sha256: bytes | None = None) -> bytes:
        data = self._data(key)
        digest = hashlib.sha256(data).digest()
        if digest != self.checksums.get(key, digest) or sha256 not in (None, digest):
            raise CorruptObjectError(key)
        return data

    def get_range(self, key: str, start: int, length: int) -> bytes:
        self.range_bytes += length
        return self._data(key)[start : start + length]

    def fetch(self, key: str, path: Path, *, sha256: bytes | None = None) -> ObjectInfo:
        path.write_bytes(self.get(key, sha256=sha256))
        return self._info(key)

    def stat(self, key: str) -> ObjectInfo | None:
        check_key(key)
        self.ping()
        return self._info(key) if key in self.objects else None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        check_prefix(prefix)
        return (self._info(key) for key in sorted(self.objects) if key.startswith(prefix))

    def delete(self, key: str) -> None:
        check_key(key)
        self.ping()
        self.objects.pop(key, None)
        self.checksums.pop(key, None)

    def delete_all(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.delete(key)

    def abandon_uploads(self, is_own: Callable[[str], bool]) -> int:
        own = {key for key in self.unfinished if is_own(key)}
        self.unfinished -= own
        return len(own)

    def ping(self) -> None:
        if self.away:
            raise RetriableError("the store is away")

    def close(self) -> None:
        return

    def refer(self, key: str, *, rows: int, role: str) -> ObjectRef:
        """Returns a reference to a stored object."""
        info = self._info(key)
        return ObjectRef(key=key, bytes=info.size_bytes, sha256=info.sha256, rows=rows, role=role)

    def _data(self, key: str) -> bytes:
        check_key(key)
        self.ping()
        if key not in self.objects:
            raise ObjectMissingError(key)
        return self.objects[key]

    def _info(self, key: str) -> ObjectInfo:
        data = self.objects[key]
        digest = self.checksums.get(key) or hashlib.sha256(data).digest()
        return ObjectInfo(key=key, size_bytes=len(data), sha256=digest)
