"""An explorer over a store in which datasets come about while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from pairmill.dataset.reader import Dataset
from pairmill.errors import ConfigurationError, RetriableError
from pairmill.stage.datasets import dataset_store
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectInfo
from pairmill_explorer.dataset_metrics import DatasetCollector, why_none_serves
from pairmill_explorer.errors import NotFoundError
from pairmill_explorer.open import CoreConfig, Explorer, open_explorer
from pairmill_index.build import build_index
from pairmill_index.catalogue import indexed_datasets, note_indexed
from pairmill_index.options import BuildOptions
from pairmill_protos.explorer.v1.search_service_pb2 import ListDatasetsRequest
from tests.fakes.clock import ManualClock
from tests.fakes.vector_dataset import VectorDataset


class UnlistedStore(DirectoryStore):
    """A store that may be away when it is asked what there is."""

    away = False

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        if self.away:
            raise RetriableError("the store does not answer")
        return super().list(prefix)


@pytest.fixture
def store(tmp_path: Path) -> UnlistedStore:
    return UnlistedStore(tmp_path / "out")


@pytest.fixture
def explorer(store: UnlistedStore, tmp_path: Path) -> Iterator[Explorer]:
    config = CoreConfig(scratch=tmp_path / "own", poll_seconds=3600, image_processes=1)
    with open_explorer({}, config, followed=store, clock=ManualClock()) as opened:
        yield opened


def finish(store: DirectoryStore, name: str, rows: int = 20) -> None:
    """Makes a dataset with its index, as the indexer does."""
    folder = store.root / name
    folder.mkdir(parents=True)
    made = VectorDataset(folder, dimensions=8, buckets=("en",))
    made.add(rows)
    made.publish()
    own = dataset_store(store, name)
    for path in (path for path in folder.rglob("*") if path.is_file()):
        own.put(path.relative_to(folder).as_posix(), path.read_bytes())  # with its checksum
    build_index(Dataset.open(folder), own, BuildOptions(), scratch=folder.parent / "scratch")
    note_indexed(store, name)


def names(explorer: Explorer) -> list[str]:
    listed = explorer.search.list_datasets(ListDatasetsRequest())
    return [info.dataset for info in listed.datasets]


def test_datasets_are_served_as_soon_as_they_have_an_index(store: UnlistedStore, explorer: Explorer) -> None:
    assert names(explorer) == []
    assert why_none_serves(explorer.datasets) is None, "it is ready; there is nothing to serve yet"
    with pytest.raises(NotFoundError):
        explorer.datasets.get("")
    for name in ("j1", "j2"):
        finish(store, name)
        explorer.datasets.refresh()
    assert names(explorer) == ["j1", "j2"]
    assert explorer.datasets.get("").name == "j1"
    for name in ("j1", "j2"):
        with explorer.datasets.get(name).use() as snapshot:
            assert snapshot.index.manifest.rows == 20
    registry = CollectorRegistry()
    registry.register(DatasetCollector(explorer.search))
    assert registry.get_sample_value("pairmill_index_rows", {"dataset": "j2"}) == 20
    assert registry.get_sample_value("pairmill_served_recall", {"dataset": "j2"}) == 1.0, "all is exact"


def test_a_store_that_cannot_be_listed_leaves_what_serves_as_it_is(
    store: UnlistedStore, explorer: Explorer
) -> None:
    finish(store, "j1")
    explorer.datasets.refresh()
    store.away = True
    explorer.datasets.refresh()
    assert names(explorer) == ["j1"]


def test_what_is_noted_is_listed_once_and_the_root_has_no_name(store: UnlistedStore) -> None:
    for name in ("b", "a", "", "b"):
        note_indexed(store, name)
    assert indexed_datasets(store) == ["a", "b"]


def test_an_explorer_with_nothing_to_serve_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="datasets"):
        open_explorer({}, CoreConfig(scratch=tmp_path))
