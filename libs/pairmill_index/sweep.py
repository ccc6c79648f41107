"""Deleting what no kept version needs: files of old versions, and of builds that nobody went on with."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from pairmill.errors import CorruptObjectError, ObjectMissingError
from pairmill.store.port import ObjectStore
from pairmill_index.errors import LostPublicationError, NoIndexError
from pairmill_index.layout import version_key
from pairmill_index.manifest import Current, Past
from pairmill_index.pending import discard, pending_notes, settle
from pairmill_index.publish import changing, current_of, files_of, read_outline, read_version, replace_current

KEPT_VERSIONS: Final = 2
GRACE: Final = timedelta(minutes=5)
"""A version that was replaced more recently is kept: somebody may be opening it."""
ABANDONED_AFTER: Final = timedelta(days=1)
"""A build whose segment was begun or finished longer ago is not coming back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a sweep deleted."""

    versions: tuple[str, ...] = ()
    files: int = 0
    bytes: int = 0
    abandoned: int = 0  # segments of builds that nobody went on with


def sweep(
    store: ObjectStore, *, keep: int = KEPT_VERSIONS, grace: timedelta = GRACE, now: datetime | None = None
) -> Swept:
    """Deletes versions but the newest `keep`, and what they alone need.

    What the version that serves needs is never deleted, nor one that was replaced within `grace`. A sweep
    that was killed is ended by the next one. What another publishes meanwhile, on a store without locks,
    serves on.
    """
    now = now or datetime.now(UTC)
    with changing(store):
        current = current_of(store)
        stays, goes = _divided(current, keep, now - grace)
        served = read_version(store, current)
        settle(store, served)
        needed = files_of(served) | _files_of_all(store, stays)
        unneeded = _files_of_all(store, goes)
        unneeded = {path: size for path, size in unneeded.items() if path not in needed}
        store.delete_all(sorted(unneeded))
        store.delete_all([version_key(named.version) for named in goes])
        if goes:
            _forget(store, goes)
        abandoned = _discard_abandoned(store, now - ABANDONED_AFTER)
    return Swept(
        versions=tuple(named.version for named in goes),
        files=len(unneeded),
        bytes=sum(unneeded.values()),
        abandoned=abandoned,
    )


def _forget(store: ObjectStore, goes: list[Past]) -> None:
    """Leaves old versions out of the list; if another publishes in this moment, the next sweep does."""

    def without(latest: Current | None) -> Current:
        if latest is None:
            raise NoIndexError(f"{store}: the index is gone")
        # Never the one read before: that would take back a removal (G8).
        return msgspec.structs.replace(latest, past=tuple(one for one in latest.past if one not in goes))

    with suppress(LostPublicationError):
        replace_current(store, without)


def _divided(current: Current, keep: int, since: datetime) -> tuple[list[Past], list[Past]]:
    stays = [past for place, past in enumerate(current.past) if place < keep - 1 or past.until > since]
    return stays, [past for past in current.past if past not in stays]


def _files_of_all(store: ObjectStore, versions: list[Past]) -> dict[str, int]:
    """Returns the files of old versions of any schema.

    None of one whose manifest is damaged or gone: an earlier sweep may have taken it.
    """
    found: dict[str, int] = {}
    for named in versions:
        with suppress(ObjectMissingError, CorruptObjectError):
            found |= files_of(read_outline(store, named))
    return found


def _discard_abandoned(store: ObjectStore, before: datetime) -> int:
    keys = [key for key, note in pending_notes(store) if note is None or note.started_at < before]
    for key in keys:
        discard(store, key)
    return len(keys)
