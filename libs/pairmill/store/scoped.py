"""A store below a folder of another one: many datasets in one bucket, each a store of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from pairmill.store.conditional import ConditionalBelow, ConditionalPuts, conditional_puts
from pairmill.store.keys import check_key, check_prefix
from pairmill.store.port import ListedObject, ObjectInfo, ObjectStore

Info = TypeVar("Info", bound=ListedObject)


class ScopedStore:
    """What lies below `<folder>/` in another store, which stays open when this one is closed."""

    def __init__(self, store: ObjectStore, folder: str) -> None:
        """`folder` is a plain relative path such as `datasets/first`; ValueError for any other."""
        check_key(folder)
        self._store = store
        self._folder = f"{folder}/"

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The store behind belongs to whoever opened it."""

    def __str__(self) -> str:
        """Returns where it is, for messages."""
        return f"{self._store}/{self._folder}".rstrip("/")

    @property
    def outer(self) -> ObjectStore:
        """The store behind."""
        return self._store

    @property
    def folder(self) -> str:
        """The folder in the store behind, without a slash at the end."""
        return self._folder.rstrip("/")

    @property
    def conditional(self) -> ConditionalPuts | None:
        """How this store writes on a condition; None if the one behind cannot."""
        found = conditional_puts(self._store)
        return ConditionalBelow(found, self._folder) if found is not None else None

    def put(self, key: str, data: bytes) -> ObjectInfo:
        """Stores bytes; durable on return."""
        return self._own(self._store.put(self._key(key), data))

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        """Stores a file's bytes; durable on return."""
        return self._own(self._store.put_file(self._key(key), path))

    def get(self, key: str, *, sha256: bytes | None = None) -> bytes:
        """Returns an object's bytes, verified."""
        return self._store.get(self._key(key), sha256=sha256)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Returns a part of an object, unverified."""
        return self._store.get_range(self._key(key), start, length)

    def fetch(self, key: str, path: Path, *, sha256: bytes | None = None) -> ObjectInfo:
        """Writes an object to a file, verified."""
        return self._own(self._store.fetch(self._key(key), path, sha256=sha256))

    def stat(self, key: str) -> ObjectInfo | None:
        """Returns what is known of an object, or None if it is absent."""
        info = self._store.stat(self._key(key))
        return self._own(info) if info is not None else None

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Yields the objects under a prefix in order of keys."""
        check_prefix(prefix)
        return map(self._own, self._store.list(self._folder + prefix))

    def delete_all(self, keys: Iterable[str]) -> None:
        """Removes objects."""
        self._store.delete_all(map(self._key, keys))

    def abandon_uploads(self, is_own: Callable[[str], bool]) -> int:
        """Gives up unfinished writes of this folder's keys that are the caller's own."""
        return self._store.abandon_uploads(
            lambda key: key.startswith(self._folder) and is_own(key.removeprefix(self._folder))
        )

    def delete(self, key: str) -> None:
        """Removes an object."""
        self._store.delete(self._key(key))

    def ping(self) -> None:
        """Raises RetriableError if the store cannot be used now."""
        self._store.ping()

    def close(self) -> None:
        """Nothing is held open."""

    def _key(self, key: str) -> str:
        check_key(key)
        return self._folder + key

    def _own(self, info: Info) -> Info:
        return replace(info, key=info.key.removeprefix(self._folder))
