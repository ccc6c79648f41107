"""Merging an index's segments, unless the same merger was refused before.

An index that is up to date stays so without the merger: it is searched in more parts, and nothing else. A
merger reads all of a bucket, so one that was refused is noted beside the index, for every indexer, and is
left alone until something has changed that may end it otherwise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from pairmill import __version__
from pairmill.errors import CorruptObjectError, ObjectMissingError
from pairmill.store.port import ObjectStore
from pairmill_index.errors import IndexRefusedError, NoRoomError
from pairmill_index.layout import FOLDER
from pairmill_index.manifest import IndexVersion
from pairmill_index.options import BuildOptions
from pairmill_indexer.verdicts import Refusal

log = structlog.get_logger(__name__)

NOTE: Final = f"{FOLDER}/merge-refused.json"
GROWTH: Final = 1.25
"""A bucket that has grown by less would be merged in vain again: each addition would pay for the whole."""


class RefusedMerge(msgspec.Struct, frozen=True, kw_only=True):
    """A merger that was refused: why, and all that its end follows from."""

    reason: Refusal
    error: str
    rows: dict[str, int]  # of each bucket
    removed: str  # digest of the list of removed ids
    options: BuildOptions
    code_version: str = __version__

    def is_of(self, version: IndexVersion) -> bool:
        """Returns whether a merger of this version would be the same again."""
        now = noted(version, self.reason, self.error)
        is_alike = self.rows.keys() == now.rows.keys() and all(
            rows <= now.rows[bucket] < GROWTH * rows for bucket, rows in self.rows.items()
        )
        return is_alike and msgspec.structs.replace(now, rows=self.rows) == self


def noted(version: IndexVersion, reason: Refusal, error: str) -> RefusedMerge:
    """Returns what is noted of a version whose merger was refused."""
    rows: Counter[str] = Counter()
    for segment in version.segments:
        rows[segment.bucket] += segment.rows
    return RefusedMerge(
        reason=reason,
        error=error,
        rows=dict(rows),
        removed=version.removed.sha256 if version.removed is not None else "",
        options=version.options,
    )


def merged(
    store: ObjectStore, version: IndexVersion, merge: Callable[[], IndexVersion]
) -> tuple[IndexVersion, Refusal | None]:
    """Returns a version's merger; the version itself, with the reason, where that is refused."""
    known = _read(store)
    if known is not None and known.is_of(version):
        log.info("merge_left_alone", reason=known.reason, error=known.error)
        return version, known.reason
    try:
        found = merge()
    except (IndexRefusedError, NoRoomError) as error:
        reason = Refusal.LOW_RECALL if isinstance(error, IndexRefusedError) else Refusal.NOT_INDEXABLE
        log.warning("merge_refused", reason=reason, error=str(error))
        store.put(NOTE, msgspec.json.encode(noted(version, reason, str(error))))
        return version, reason
    forget(store)
    return found, None


def forget(store: ObjectStore) -> None:
    """Removes the note of a merger that is due no more."""
    store.delete(NOTE)


def _read(store: ObjectStore) -> RefusedMerge | None:
    try:
        return msgspec.json.decode(store.get(NOTE), type=RefusedMerge)
    except (ObjectMissingError, CorruptObjectError, msgspec.MsgspecError):
        return None
