"""The object store as the services see it: whole-or-absent objects with checksums."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedObject:
    """What a listing tells of an object."""

    key: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo(ListedObject):
    """What the store knows of an object."""

    sha256: bytes  # 32 bytes; none where another tool put the object there without


class ObjectStore(AbstractContextManager["ObjectStore"], Protocol):
    """A store of objects by key (`a/b/c`, relative, no `..`). Thread-safe.

    An object is whole or absent, whatever dies; a key is written again only with equal bytes or by
    the two exceptions of U4. Raises NoSpaceError when full, RetriableError when away,
    ObjectMissingError for an absent key, CorruptObjectError where bytes and checksum disagree.
    """

    def put(self, key: str, data: bytes) -> ObjectInfo:
        """Stores bytes; durable on return."""
        ...

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        """Stores a file's bytes; durable on return. The file may be moved away."""
        ...

    def get(self, key: str, *, sha256: bytes | None = None) -> bytes:
        """Returns an object's bytes, verified against its stored checksum and the one given."""
        ...

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Returns `length` bytes from `start` (fewer at the end), unverified."""
        ...

    def fetch(self, key: str, path: Path, *, sha256: bytes | None = None) -> ObjectInfo:
        """Writes an object to a local file, verified like `get`, in bounded memory."""
        ...

    def stat(self, key: str) -> ObjectInfo | None:
        """Returns what is known of an object, or None if it is absent. Does not read its bytes."""
        ...

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Yields the objects whose key starts with `prefix`, in order of keys. Never on a hot path."""
        ...

    def delete(self, key: str) -> None:
        """Removes an object; does nothing if it is absent."""
        ...

    def delete_all(self, keys: Iterable[str]) -> None:
        """Removes objects, in few requests where the store can; passes over those that are absent."""
        ...

    def abandon_uploads(self, is_own: Callable[[str], bool]) -> int:
        """Gives up writes that were begun and not ended, of keys that `is_own` says are the caller's.

        Returns how many. Where one is still being written, that fails with RetriableError. A store that
        cannot tell the key of such a write gives up what processes left that are gone.
        """
        ...

    def ping(self) -> None:
        """Raises RetriableError if the store cannot be used now."""
        ...

    def close(self) -> None:
        """Releases all resources."""
        ...
