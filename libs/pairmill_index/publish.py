"""Publishing a version: its files first, then its manifest, `index/current.json` last.

Until the last write the version before serves, whatever dies. A folder has a lock. On a bucket of a server
that writes on conditions `current.json` is replaced only if it is the one that was looked at, and it is
looked at once more afterwards: whoever lost is told, and `pairmill_index.contest` says what follows. What is
left is a moment on servers that know no conditions, or look at them before they take in the bytes: there the
later of two who publish within it may win after the other has looked; nothing names the other's version any
more, and no sweep finds its files.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

import msgspec

from pairmill.errors import CorruptObjectError, ObjectMissingError, RetriableError
from pairmill.store.conditional import ReplacedError, conditional_puts
from pairmill.store.local import folder_of
from pairmill.store.port import ObjectStore
from pairmill_index.errors import IndexBusyError, LostPublicationError, NoIndexError
from pairmill_index.files import is_stored, read_whole
from pairmill_index.layout import CURRENT, FOLDER, version_key
from pairmill_index.manifest import SCHEMA_VERSION, Current, IndexFile, IndexVersion, Past
from pairmill_index.progress import Progress, no_progress

_LOCK: Final = ".lock"


def current_of(store: ObjectStore) -> Current:
    """Returns which version serves; raises NoIndexError where there is none."""
    try:
        return msgspec.json.decode(read_whole(store, CURRENT), type=Current)
    except ObjectMissingError as error:
        raise NoIndexError(f"{store}: there is no index here; make one with: pairmill index build") from error
    except msgspec.MsgspecError as error:
        raise CorruptObjectError(f"{CURRENT} cannot be read: {error}") from error


def current_or_none(store: ObjectStore) -> Current | None:
    """Returns which version serves, if any."""
    try:
        return current_of(store)
    except NoIndexError:
        return None


def read_version(store: ObjectStore, named: Current | Past) -> IndexVersion:
    """Returns the manifest of a version; raises CorruptObjectError unless it is as it was written."""
    key, data = version_key(named.version), _manifest(store, named)
    try:
        _check_schema(key, msgspec.json.decode(data, type=_Schema).schema_version)
        return msgspec.json.decode(data, type=IndexVersion)
    except msgspec.MsgspecError as error:
        raise CorruptObjectError(f"{key} cannot be read: {error}") from error


class Files(msgspec.Struct, frozen=True):
    """The files of a segment."""

    files: tuple[IndexFile, ...] = ()


class Outline(msgspec.Struct, frozen=True):
    """What is read of a version of any schema: the files it needs."""

    segments: tuple[Files, ...] = ()
    removed: IndexFile | None = None


def read_outline(store: ObjectStore, named: Current | Past) -> Outline:
    """Returns the files of a version, also of one that this version of Pairmill cannot read.

    Raises CorruptObjectError unless its manifest is as it was written.
    """
    try:
        return msgspec.json.decode(_manifest(store, named), type=Outline)
    except msgspec.MsgspecError as error:
        raise CorruptObjectError(f"{version_key(named.version)} cannot be read: {error}") from error


def removed_of(store: ObjectStore, named: Current) -> IndexFile | None:
    """Returns the list of removed ids of a version of any schema, so that a build in its place keeps to it.

    Raises CorruptObjectError unless the manifest is as it was written: what another says of removals is not
    to be believed.
    """
    try:
        return read_outline(store, named).removed
    except (CorruptObjectError, ObjectMissingError) as error:
        raise CorruptObjectError(
            f"{error}; so it is not known what was removed: to start anew without, delete {CURRENT}"
        ) from error


def publish(
    store: ObjectStore, version: IndexVersion, base: Current | None, progress: Progress = no_progress
) -> Current:
    """Makes a version serve whose files are stored already, in place of the one that it was made from.

    Raises LostPublicationError where another one was published meanwhile, and RetriableError where another
    build took files of this one for its own leavings, as two may do on a store without locks.
    """
    data = version.encoded()
    name, digest = version.version(), hashlib.sha256(data).hexdigest()
    progress("publishing", 0, 2)
    store.put(version_key(name), data)
    # Segments, lists of removed ids and manifests that are made alike have one name: another who made the
    # same and lost to a third has removed them.
    if gone := [path for path in (*files_of(version), version_key(name)) if not is_stored(store, path)]:
        raise RetriableError(f"{store}: another build has removed {gone[0]} meanwhile; try again")
    progress("publishing", 1, 2)

    def replaced(found: Current | None) -> Current:
        # Looked at right before the write: a removal lost here would come back (G8).
        if (found.version if found else "") != (base.version if base else ""):
            raise LostPublicationError(
                f"{store}: another version of the index was published meanwhile; try again"
            )
        return Current(version=name, sha256=digest, past=_with_past(found, name))

    try:
        current = replace_current(store, replaced)
        _check_stays(store, name)
    except LostPublicationError:
        _drop_manifest(store, name)
        raise
    progress("publishing", 2, 2)
    return current


def replace_current(store: ObjectStore, made: Callable[[Current | None], Current]) -> Current:
    """Replaces `index/current.json` by what is made of the one that is there, and returns that.

    Raises LostPublicationError where another process replaces it in between, as far as the store can tell.
    """
    puts = conditional_puts(store)
    mark = puts.mark(CURRENT) if puts is not None else ""
    current = made(current_or_none(store))
    data = msgspec.json.format(msgspec.json.encode(current), indent=1)
    if puts is None:
        store.put(CURRENT, data)
        return current
    try:
        puts.put_over(mark, CURRENT, data)
    except ReplacedError as error:
        raise LostPublicationError(
            f"{store}: another version of the index was published in this moment; try again"
        ) from error
    return current


def _check_stays(store: ObjectStore, name: str) -> None:
    """Raises LostPublicationError where another process has overwritten what was just published.

    A server that knows no conditions lets that happen, or one that looks at them before it takes in bytes.
    Who published upon this version names it as one before.
    """
    if folder_of(store) is None and name not in _known_versions(store):
        raise LostPublicationError(f"{store}: another version was published over this one; try again")


def _known_versions(store: ObjectStore) -> set[str]:
    found = current_or_none(store)
    return {found.version, *(past.version for past in found.past)} if found is not None else set()


def _drop_manifest(store: ObjectStore, name: str) -> None:
    """Removes the manifest of a version that lost, unless another made the same one."""
    if name not in _known_versions(store):
        store.delete(version_key(name))


def files_of(version: IndexVersion | Outline) -> dict[str, int]:
    """Returns all files of a version by their path, with their size."""
    files = [file for segment in version.segments for file in segment.files]
    if version.removed is not None:
        files.append(version.removed)
    return {file.path: file.bytes for file in files}


@contextmanager
def changing(store: ObjectStore) -> Iterator[None]:
    """Keeps other processes from changing the index of a store that is a folder while the context lasts.

    Raises IndexBusyError where one does so now. Readers are not kept from anything.
    """
    root = folder_of(store)
    if root is None:
        yield
        return
    (root / FOLDER).mkdir(exist_ok=True)
    handle = os.open(root / FOLDER / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise IndexBusyError(f"{root}: another process is changing this index; wait for it") from error
    try:
        yield
    finally:
        os.close(handle)


class _Schema(msgspec.Struct):
    """What every version of the manifest says."""

    schema_version: int = SCHEMA_VERSION


def _manifest(store: ObjectStore, named: Current | Past) -> bytes:
    """Returns a manifest's bytes; raises CorruptObjectError unless they are as they were written."""
    key = version_key(named.version)
    data = read_whole(store, key)
    if hashlib.sha256(data).hexdigest() != named.sha256:
        raise CorruptObjectError(f"{key} does not have the checksum that {CURRENT} states")
    return data


def _check_schema(key: str, found: int) -> None:
    if found != SCHEMA_VERSION:
        raise CorruptObjectError(
            f"{key} has schema version {found}, this version of Pairmill reads {SCHEMA_VERSION}: "
            "build the index anew"
        )


def _with_past(found: Current | None, name: str) -> tuple[Past, ...]:
    if found is None:
        return ()
    if found.version == name:
        return found.past
    replaced = Past(version=found.version, sha256=found.sha256, until=datetime.now(UTC))
    return (replaced, *(past for past in found.past if past.version not in (name, found.version)))
