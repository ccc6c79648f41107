"""Removing the segments of a version that lost to another one."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from pairmill.errors import CorruptObjectError, ObjectMissingError
from pairmill.store.port import ObjectStore
from pairmill_index.manifest import Current, Past
from pairmill_index.pending import PendingSegment
from pairmill_index.publish import current_or_none, files_of, read_outline


def withdraw(store: ObjectStore, pending: Iterable[PendingSegment]) -> None:
    """Removes segments, but for what a published version names: another may have taken them over."""
    needed = published_files(store)
    for one in pending:
        one.withdraw(needed)


def published_files(store: ObjectStore) -> set[str]:
    """Returns the paths of all files of the version that serves, if any, and of those before."""
    current = current_or_none(store)
    versions: list[Current | Past] = [current, *current.past] if current is not None else []
    found: set[str] = set()
    for named in versions:
        with suppress(ObjectMissingError, CorruptObjectError):  # swept
            found |= files_of(read_outline(store, named)).keys()
    return found
