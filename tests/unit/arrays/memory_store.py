"""A store in memory and the context of one attempt at one unit, for handlers under test."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from pairmill.errors import CorruptObjectError, ObjectMissingError
from pairmill.stage.port import UnitContext
from pairmill.store.port import ObjectInfo
from pairmill.units import new_attempt
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, UnitTask


class MemoryStore(AbstractContextManager["MemoryStore"]):
    """Objects in a dictionary. Counts the bytes read by range."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.range_bytes = 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def put(self, key: str, data: bytes) -> ObjectInfo:
        if key in self.objects and self.objects[key] != data:
            raise AssertionError(f"{key} is written twice with different bytes")
        self.objects[key] = data
        return self._info(key)

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        return self.put(key, path.read_bytes())

    def get(self, key: str, *, sha256: bytes | None = None) -> bytes:
        if key not in self.objects:
            raise ObjectMissingError(key)
        data = self.objects[key]
        if sha256 is not None and hashlib.sha256(data).digest() != sha256:
            raise CorruptObjectError(key)
        return data

    def get_range(self, key: str, start: int, length: int) -> bytes:
        self.range_bytes += length
        return self.get(key)[start : start + length]

    def fetch(self, key: str, path: Path, *, sha256: bytes | None = None) -> ObjectInfo:
        path.write_bytes(self.get(key, sha256=sha256))
        return self._info(key)

    def stat(self, key: str) -> ObjectInfo | None:
        return self._info(key) if key in self.objects else None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return (self._info(key) for key in sorted(self.objects) if key.startswith(prefix))

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)

    def ping(self) -> None:
        return

    def close(self) -> None:
        return

    def refer(self, key: str, *, rows: int, role: str) -> ObjectRef:
        """Returns a reference to a stored object."""
        info = self._info(key)
        return ObjectRef(key=key, bytes=info.size_bytes, sha256=info.sha256, rows=rows, role=role)

    def _info(self, key: str) -> ObjectInfo:
        data = self.objects[key]
        return ObjectInfo(key=key, size_bytes=len(data), sha256=hashlib.sha256(data).digest())


def new_context(
    task: UnitTask, spec: JobSpec, store: MemoryStore, folder: Path, *, attempt: str = ""
) -> UnitContext:
    """Returns the context of a fresh attempt with a scratch folder of its own."""
    attempt = attempt or new_attempt()
    scratch = folder / f"scratch-{attempt}"
    scratch.mkdir()
    return UnitContext(
        task=task,
        spec=spec,
        attempt=attempt,
        store=store,
        scratch=scratch,
        cut_off=threading.Event(),
        report_progress=lambda done, rows: None,
    )
