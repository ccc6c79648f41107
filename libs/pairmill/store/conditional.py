"""Replacing an object only if nobody else has replaced it meanwhile, on stores that can."""

from __future__ import annotations

from typing import Protocol, cast

from pairmill.errors import RetriableError
from pairmill.store.keys import check_key
from pairmill.store.port import ObjectInfo, ObjectStore


class ReplacedError(RetriableError):
    """The object that was to be replaced is not there any more: another one is, or none."""


class ConditionalPuts(Protocol):
    """Writes on a condition. Thread-safe; raises what stores raise."""

    def mark(self, key: str) -> str:
        """Returns what tells the object that lies there from others; empty where there is none."""
        ...

    def put_over(self, mark: str, key: str, data: bytes) -> ObjectInfo:
        """Stores bytes in place of the object with this mark, for an empty one where there is none.

        Raises ReplacedError, with nothing stored, where something else is there. A store whose server knows
        no conditions stores without.
        """
        ...


class ConditionalBelow:
    """The same for what lies below a folder."""

    def __init__(self, puts: ConditionalPuts, folder: str) -> None:
        """`folder` ends with a slash."""
        self._puts = puts
        self._folder = folder

    def mark(self, key: str) -> str:
        """Returns what tells the object that lies there from others."""
        return self._puts.mark(self._key(key))

    def put_over(self, mark: str, key: str, data: bytes) -> ObjectInfo:
        """Stores bytes in place of the object with this mark."""
        found = self._puts.put_over(mark, self._key(key), data)
        return ObjectInfo(key=key, size_bytes=found.size_bytes, sha256=found.sha256)

    def _key(self, key: str) -> str:
        check_key(key)
        return self._folder + key


def conditional_puts(store: ObjectStore) -> ConditionalPuts | None:
    """Returns how a store writes on a condition; None for one that cannot."""
    return cast("ConditionalPuts | None", getattr(store, "conditional", None))
