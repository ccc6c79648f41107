"""Ids that count no more: a list that grows, and that later versions and builds keep to (G8)."""

from __future__ import annotations

import hashlib
import io

import numpy as np

from pairmill.errors import CorruptObjectError
from pairmill.idarrays import Words, ascending, starts_of_groups
from pairmill.store.port import ObjectStore
from pairmill_index.files import read_whole
from pairmill_index.layout import removed_key
from pairmill_index.manifest import IndexFile


def read_removed(store: ObjectStore, file: IndexFile | None) -> Words:
    """Returns the ids of a list, sorted, `(n, 2) uint64`; none where there is no list."""
    if file is None:
        return np.empty((0, 2), dtype=np.uint64)
    data = read_whole(store, file.path)
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise CorruptObjectError(f"{file.path} does not have the checksum it was written with")
    return decode_ids(data, file.path)


def write_removed(store: ObjectStore, ids: Words) -> IndexFile:
    """Stores a list of ids, `(n, 2) uint64`, under the name of its digest."""
    data = encode_ids(united(ids))
    digest = hashlib.sha256(data).hexdigest()
    info = store.put(removed_key(digest[:32]), data)
    return IndexFile(path=info.key, bytes=len(data), sha256=digest)


def united(*lists: Words) -> Words:
    """Returns the ids of all lists, sorted, each once."""
    ids = np.concatenate(lists)
    ids = ids[ascending(ids)]
    return ids[starts_of_groups(ids)]


def encode_ids(ids: Words) -> bytes:
    """Returns ids as the bytes of an `.npy` file, `(n, 2) <u8`."""
    sink = io.BytesIO()
    np.save(sink, np.ascontiguousarray(ids, dtype="<u8"))
    return sink.getvalue()


def decode_ids(data: bytes, name: str) -> Words:
    """Returns the ids of an `.npy` file: `(n, 2) <u8`, or `(n,)` of `u8,u8` as subsets have them.

    Raises CorruptObjectError for anything else.
    """
    try:
        ids = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise CorruptObjectError(f"{name} holds no ids: {error}") from error
    if ids.dtype.names is not None and len(ids.dtype.names) == 2 and ids.ndim == 1:
        ids = np.stack([ids[name] for name in ids.dtype.names], axis=1)
    if ids.ndim != 2 or ids.shape[1] != 2 or ids.dtype.kind != "u":
        raise CorruptObjectError(f"{name} holds {ids.dtype.str} {ids.shape}, not 128-bit ids as u8,u8")
    words: Words = ids.astype(np.uint64)
    return words
