"""What becomes of a version that lost to another one: its files are removed.

A build or an addition that is begun anew makes them once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from pairmill.errors import CorruptObjectError, ObjectMissingError
from pairmill.store.port import ObjectStore
from pairmill_index.errors import LostPublicationError
from pairmill_index.manifest import Current, Past
from pairmill_index.pending import PendingSegment
from pairmill_index.publish import current_or_none, files_of, read_outline


@contextmanager
def published(store: ObjectStore, pending: Iterable[PendingSegment]) -> Iterator[None]:
    """Forgets the notes of segments once a version that names them is published within.

    Where another version was published first, the segments are removed and LostPublicationError goes on.
    """
    try:
        yield
    except LostPublicationError:
        _withdraw(store, pending)
        raise
    for one in pending:
        one.forget()


def _withdraw(store: ObjectStore, pending: Iterable[PendingSegment]) -> None:
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
