"""All datasets of one store, those too that get their index later."""

from __future__ import annotations

from collections.abc import Callable, Collection

import structlog

from pairmill.errors import RetriableError
from pairmill.stage.datasets import dataset_store
from pairmill.store.port import ObjectStore
from pairmill_explorer.datasets.served import ServedDataset
from pairmill_index.catalogue import indexed_datasets

log = structlog.get_logger(__name__)


class FollowedStore:
    """Finds the datasets of a store that have an index. Used by one thread at a time."""

    def __init__(self, store: ObjectStore, serve: Callable[[str, ObjectStore], ServedDataset]) -> None:
        """`serve` makes a dataset of a name and its own store; nothing is asked yet."""
        self._store = store
        self._serve = serve

    def new(self, known: Collection[str]) -> list[ServedDataset]:
        """Returns the datasets that are not known yet, by the name of their folder."""
        try:
            names = indexed_datasets(self._store)
        except RetriableError as error:
            log.warning("datasets_not_listed", error=str(error))
            return []
        found = [name for name in names if name not in known and "/" not in name]
        for name in found:
            log.info("dataset_found", dataset=name)
        return [self._serve(name, dataset_store(self._store, name)) for name in found]
