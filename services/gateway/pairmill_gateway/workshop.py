"""Where the datasets of jobs are worked on: each in its folder of one store."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pairmill.bus.port import Bus
from pairmill.clock import Clock
from pairmill.dataset.source import DatasetFiles, FolderFiles, StoreFiles
from pairmill.stage.checkpoints import Checkpoints
from pairmill.stage.datasets import dataset_store
from pairmill.store.port import ObjectStore
from pairmill_gateway.book import JobEntry
from pairmill_gateway.conductor import Means
from pairmill_gateway.finisher import DatasetFinisher
from pairmill_gateway.janitor import Janitor, repair_inputs
from pairmill_gateway.ports import Finisher, HandOutObserver, NobodyToTell, Render

_FILE: Final = "file://"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetWorkshop:
    """Gives what it takes to work on a job's dataset. Thread-safe."""

    bus: Bus
    store: ObjectStore
    store_url: str
    scratch: Path
    clock: Clock
    checkpoints: Checkpoints
    reissue_after_seconds: float
    render: Render
    observer: HandOutObserver = field(default_factory=NobodyToTell)

    def means(self, entry: JobEntry, bus: Bus) -> Means:
        """Returns what acting for a job takes, over the bus as the job sees it."""
        return Means(
            bus=bus,
            store=self.store_of(entry),
            clock=self.clock,
            reissue_after_seconds=self.reissue_after_seconds,
            checkpoints=self.checkpoints,
            observer=self.observer,
        )

    def finisher(self, entry: JobEntry) -> Finisher:
        """Returns who writes the last files of a job's dataset."""
        return DatasetFinisher(
            self.bus,
            self.store_of(entry),
            self.files_of(entry),
            self.scratch / entry.job_id,
            self.render,
            self.checkpoints,
            entry.admitted.ledger_offset,
        )

    def sweep(self, entry: JobEntry) -> None:
        """Removes what a job that has ended left behind (U4)."""
        store = self.store_of(entry)
        janitor = Janitor(store, self.files_of(entry), self.checkpoints)
        janitor.sweep(entry.job_id, repair_inputs(store, entry.admitted.spec))

    def store_of(self, entry: JobEntry) -> ObjectStore:
        """Returns the store that the keys of a job belong to."""
        return dataset_store(self.store, entry.admitted.dataset)

    def files_of(self, entry: JobEntry) -> DatasetFiles:
        """Returns read access to a job's dataset."""
        return dataset_files(self.store_url, self.store, entry.admitted.dataset)


def dataset_files(store_url: str, store: ObjectStore, dataset: str = "") -> DatasetFiles:
    """Returns read access to a dataset; files of a folder are read where they lie."""
    if store_url.startswith(_FILE):
        return FolderFiles(Path(store_url.removeprefix(_FILE)) / dataset)
    return StoreFiles(dataset_store(store, dataset))
