"""Publishing a version: its files first, then its manifest, `index/current.json` last."""

from __future__ import annotations

import hashlib

import msgspec

from pairmill.errors import CorruptObjectError, ObjectMissingError
from pairmill.store.port import ObjectStore
from pairmill_index.errors import NoIndexError
from pairmill_index.layout import CURRENT, version_key
from pairmill_index.manifest import SCHEMA_VERSION, Current, IndexVersion


def current_of(store: ObjectStore) -> Current:
    """Returns which version serves; raises NoIndexError where there is none."""
    try:
        return msgspec.json.decode(store.get(CURRENT), type=Current)
    except ObjectMissingError as error:
        raise NoIndexError(f"{store}: there is no index here; make one with: pairmill index build") from error
    except msgspec.DecodeError as error:
        raise CorruptObjectError(f"{CURRENT} cannot be read: {error}") from error


def read_version(store: ObjectStore, current: Current) -> IndexVersion:
    """Returns the manifest of a version; raises CorruptObjectError unless it is as it was written."""
    key = version_key(current.version)
    data = store.get(key)
    if hashlib.sha256(data).hexdigest() != current.sha256:
        raise CorruptObjectError(f"{key} does not have the checksum that {CURRENT} states")
    try:
        version = msgspec.json.decode(data, type=IndexVersion)
    except msgspec.DecodeError as error:
        raise CorruptObjectError(f"{key} cannot be read: {error}") from error
    if version.schema_version != SCHEMA_VERSION:
        raise CorruptObjectError(
            f"{key} has schema version {version.schema_version}; this version of Pairmill reads "
            f"{SCHEMA_VERSION}: build the index anew"
        )
    return version


def publish(store: ObjectStore, version: IndexVersion) -> Current:
    """Makes a version serve whose files are stored already; until the last write the old one serves."""
    data = version.encoded()
    current = Current(version=version.version(), sha256=hashlib.sha256(data).hexdigest())
    store.put(version_key(current.version), data)
    store.put(CURRENT, msgspec.json.format(msgspec.json.encode(current), indent=1))
    return current
