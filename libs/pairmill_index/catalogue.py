"""Which datasets of a store have an index: one small object for each, so that nobody lists all that there is.

It is a hint for whoever serves all datasets of a store, and says nothing of their versions.
"""

from __future__ import annotations

from typing import Final

from pairmill.store.port import ObjectStore

_FOLDER: Final = "catalogue/"
_SUFFIX: Final = ".indexed"


def note_indexed(store: ObjectStore, dataset: str) -> None:
    """Notes in the store of all datasets that the one in this folder has an index; the root has no name."""
    key = f"{_FOLDER}{dataset}{_SUFFIX}"
    if dataset and store.stat(key) is None:
        store.put(key, b"")


def indexed_datasets(store: ObjectStore) -> list[str]:
    """Returns the folders of the datasets that were noted, sorted."""
    keys = (listed.key for listed in store.list(_FOLDER))
    return sorted(key.removeprefix(_FOLDER).removesuffix(_SUFFIX) for key in keys if key.endswith(_SUFFIX))
