"""The datasets in one store: each job's keys are relative to the folder of its dataset.

So records and input digests are the same wherever a dataset lies: at the store's root, as on a laptop, or
in a folder of its own beside others.
"""

from __future__ import annotations

from pairmill.store.keys import check_key
from pairmill.store.port import ObjectStore
from pairmill.store.scoped import ScopedStore


def dataset_store(store: ObjectStore, dataset: str) -> ObjectStore:
    """Returns the store that a dataset's keys belong to; ValueError for what is no folder.

    Empty means that the dataset is all that the store holds.
    """
    return ScopedStore(store, dataset) if dataset else store


def check_dataset(dataset: str) -> None:
    """Raises ValueError unless a name is empty or a plain relative folder."""
    if dataset:
        check_key(dataset)
