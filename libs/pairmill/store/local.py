"""Which stores are folders, so that files can be read where they lie."""

from __future__ import annotations

from pathlib import Path

from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectStore
from pairmill.store.scoped import ScopedStore


def folder_of(store: ObjectStore) -> Path | None:
    """Returns the folder whose files are the store's objects, named by their keys; None if it is none."""
    match store:
        case DirectoryStore():
            return store.root
        case ScopedStore():
            outer = folder_of(store.outer)
            return outer / store.folder if outer is not None else None
        case _:
            return None
