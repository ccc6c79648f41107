"""Segments on their way into a store: noted before their first file, so that a kill leaves nothing unknown.

A segment that was finished is taken over when the same is built again; one that was not is removed then, or
by a sweep when nobody came back for it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from pairmill.errors import CorruptObjectError, ObjectMissingError
from pairmill.store.port import ObjectStore
from pairmill_index.layout import FOLDER, segment_prefix
from pairmill_index.manifest import EXACT, IndexFile, IndexVersion, Segment, Unpaired, VectorIndex

PENDING: Final = f"{FOLDER}/pending/"


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A segment that no published version names yet."""

    segment_id: str
    started_at: datetime
    is_finished: bool = False
    segment: Segment | None = None  # None where it came to no rows
    unpaired: Unpaired | msgspec.UnsetType = msgspec.UNSET  # of the version that is being made


class PendingSegment:
    """A segment of one build, by what it is made from. Not thread-safe."""

    def __init__(self, store: ObjectStore, bucket: str, made_from: tuple[object, ...]) -> None:
        """`made_from` is all that its content follows from."""
        digest = hashlib.sha256(msgspec.json.encode((bucket, *made_from))).hexdigest()[:16]
        self._store = store
        self._same = f"{bucket}-{digest}-"
        self._name = f"{self._same}{secrets.token_hex(4)}"  # U4: never used again
        self._key = f"{PENDING}{self._name}.json"  # of its own: two who build the same lose no note
        self.unpaired: Unpaired | msgspec.UnsetType = msgspec.UNSET  # noted beside, for whoever goes on

    def finished(self) -> Pending | None:
        """Returns the segment if it was finished before; removes what is left of those that were not."""
        for listed in list(self._store.list(f"{PENDING}{self._same}")):
            found = _read(self._store, listed.key)
            if found is not None and found.is_finished and _is_whole(self._store, found.segment):
                self._key, self.unpaired = listed.key, found.unpaired
                return found
            discard(self._store, listed.key)
        return None

    def put(self, segment: Segment, files: list[Path]) -> Segment:
        """Stores a segment's files; returns it with its id and files."""
        note = Pending(segment_id=self._name, started_at=datetime.now(UTC))
        self._note(note)
        stored = [_stored(self._store, segment_prefix(self._name) + path.name, path) for path in files]
        done = msgspec.structs.replace(
            segment,
            segment_id=self._name,
            files=tuple(sorted((*segment.files, *stored), key=_path)),
            indices=tuple(self._trained(index) for index in segment.indices),
        )
        self._note(msgspec.structs.replace(note, is_finished=True, segment=done))
        return done

    def put_nothing(self) -> None:
        """Notes that the segment came to no rows."""
        self._note(Pending(segment_id=self._name, started_at=datetime.now(UTC), is_finished=True))

    def forget(self) -> None:
        """Removes the note, once a published version names the segment."""
        self._store.delete(self._key)

    def withdraw(self, needed: Collection[str]) -> None:
        """Removes the note and the files, but for those that are needed."""
        prefix = segment_prefix(self._found_id())
        self._store.delete_all([one.key for one in self._store.list(prefix) if one.key not in needed])
        self._store.delete(self._key)

    def _found_id(self) -> str:
        """Returns the segment's id: its own, or that of the one that was taken over."""
        return self._key.removeprefix(PENDING).removesuffix(".json")

    def discard(self) -> None:
        """Removes the note and the files."""
        discard(self._store, self._key)

    def _trained(self, index: VectorIndex) -> VectorIndex:
        """Returns lists that say whose training they have: their own unless they share another's."""
        is_own = index.kind != EXACT and not index.trained_by
        return msgspec.structs.replace(index, trained_by=self._name) if is_own else index

    def _note(self, pending: Pending) -> None:
        pending = msgspec.structs.replace(pending, unpaired=self.unpaired)
        self._store.put(self._key, msgspec.json.encode(pending))


def discard(store: ObjectStore, key: str) -> None:
    """Removes a pending segment with its files, its note last."""
    found = _read(store, key)
    if found is not None:
        store.delete_all([one.key for one in store.list(segment_prefix(found.segment_id))])
    store.delete(key)


def pending_notes(store: ObjectStore) -> list[tuple[str, Pending | None]]:
    """Returns all notes by their key; None for one that cannot be read."""
    return [(one.key, _read(store, one.key)) for one in store.list(PENDING)]


def settle(store: ObjectStore, version: IndexVersion) -> None:
    """Removes notes of segments that a published version names: whoever wrote them died before doing so."""
    published = {segment.segment_id for segment in version.segments}
    for key, note in pending_notes(store):
        if note is not None and note.segment_id in published:
            store.delete(key)


def _read(store: ObjectStore, key: str) -> Pending | None:
    try:
        return msgspec.json.decode(store.get(key), type=Pending)
    except (ObjectMissingError, CorruptObjectError, msgspec.MsgspecError):
        return None


def _is_whole(store: ObjectStore, segment: Segment | None) -> bool:
    for file in segment.files if segment is not None else ():
        info = store.stat(file.path)
        if info is None or info.size_bytes != file.bytes or info.sha256.hex() != file.sha256:
            return False
    return True


def _stored(store: ObjectStore, key: str, path: Path) -> IndexFile:
    info = store.put_file(key, path)
    return IndexFile(path=info.key, bytes=info.size_bytes, sha256=info.sha256.hex())


def _path(file: IndexFile) -> str:
    return file.path
