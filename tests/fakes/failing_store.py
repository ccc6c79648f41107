"""A store in which chosen calls fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from pairmill.errors import NoSpaceError
from pairmill.store.port import ListedObject, ObjectInfo, ObjectStore


class FailingStore:
    """Passes all on to another store; the first `times` writes or removals of some keys fail."""

    def __init__(self, behind: ObjectStore, *, fails: str, times: int = 1) -> None:
        self._behind = behind
        self._fails = fails
        self.times_left = times

    def fails_at(self, key: str, times: int = 1) -> None:
        """Has the next writes or removals of some keys fail."""
        self._fails, self.times_left = key, times

    def _may_fail(self, key: str) -> None:
        if self.times_left and self._fails in key:
            self.times_left -= 1
            raise NoSpaceError(f"no space left for {key}")

    def put(self, key: str, data: bytes) -> ObjectInfo:
        self._may_fail(key)
        return self._behind.put(key, data)

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        self._may_fail(key)
        return self._behind.put_file(key, path)

    def get(self, key: str, *, sha256: bytes | None = None) -> bytes:
        return self._behind.get(key, sha256=sha256)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        return self._behind.get_range(key, start, length)

    def fetch(self, key: str, path: Path, *, sha256: bytes | None = None) -> ObjectInfo:
        return self._behind.fetch(key, path, sha256=sha256)

    def stat(self, key: str) -> ObjectInfo | None:
        return self._behind.stat(key)

    def list(self, prefix: str) -> Iterator[ListedObject]:
        return self._behind.list(prefix)

    def delete(self, key: str) -> None:
        self._may_fail(key)
        self._behind.delete(key)

    def delete_all(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.delete(key)

    def abandon_uploads(self, is_own: Callable[[str], bool]) -> int:
        return self._behind.abandon_uploads(is_own)

    def ping(self) -> None:
        self._behind.ping()

    def close(self) -> None:
        self._behind.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
