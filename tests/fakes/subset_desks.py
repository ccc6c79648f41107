"""The subsets of a stored dataset, as an explorer or a command has them open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict

from pairmill.clock import Clock, SystemClock
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectStore
from pairmill_explorer.datasets.registry import Datasets
from pairmill_explorer.datasets.served import ServedDataset
from pairmill_explorer.subsets.desk import SubsetDesk
from pairmill_explorer.subsets.exports.job import EndRecord
from pairmill_explorer.subsets.line import ExportLine
from pairmill_protos.explorer.v1.subset_service_pb2 import (
    Export,
    ExportFormat,
    Recipe,
    SaveSubsetRequest,
    StartExportRequest,
    WatchExportRequest,
)

SHARD_SAMPLES = 150


@dataclass(frozen=True)
class OpenedDesk:
    """A desk with all that is behind it."""

    desk: SubsetDesk
    line: ExportLine
    served: ServedDataset
    store: ObjectStore

    def save(self, name: str = "some", **facts: Any) -> Recipe:
        """Saves a recipe and returns it."""
        recipe = ParseDict({"name": name, **facts}, Recipe())
        return self.desk.save_subset(SaveSubsetRequest(recipe=recipe)).subset.recipe

    def start(self, form: str, name: str = "some", size: int = SHARD_SAMPLES) -> Export:
        """Starts an export."""
        request = StartExportRequest(name=name, format=ExportFormat.Value(f"EXPORT_FORMAT_{form}"))
        request.shard_samples = size
        return self.desk.start_export(request).export

    def ended(self, export: Export) -> Export:
        """Waits for an export's end."""
        for response in self.desk.watch_export(WatchExportRequest(export_id=export.export_id)):
            export = response.export
        return export

    def export(self, form: str, name: str = "some", size: int = SHARD_SAMPLES) -> Export:
        """Exports and waits for the end."""
        return self.ended(self.start(form, name, size))


@contextmanager
def opened_desk(
    place: Path | ObjectStore,
    scratch: Path,
    *,
    delays: Sequence[float] = (),
    starts: bool = True,
    ended: Callable[[EndRecord], None] = lambda end: None,
    clock: Clock | None = None,
) -> Iterator[OpenedDesk]:
    """Opens the dataset in a folder or store; without `starts` exports stay in the line."""
    store = DirectoryStore(place) if isinstance(place, Path) else place
    clock = clock or SystemClock()
    served = ServedDataset("dataset", store, scratch, encoders=lambda digest: None, clock=clock)
    datasets = Datasets([served])
    datasets.refresh()
    line = ExportLine(datasets, scratch=scratch / "line", clock=clock, delays=delays, ended=ended)
    if starts:
        line.start()
    try:
        yield OpenedDesk(SubsetDesk(datasets, line, clock=clock), line, served, store)
    finally:
        line.close()
        datasets.close()
