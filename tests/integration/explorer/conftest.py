"""One small dataset with an index, made as the pipeline and the indexer make it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pairmill.dataset.reader import Dataset
from pairmill.store.directory import DirectoryStore
from pairmill_explorer.open import CoreConfig, Explorer, open_explorer
from pairmill_index.build import build_index
from pairmill_index.options import BuildOptions
from tests.fakes.dataset import build_dataset


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset that nobody writes to but for reports."""
    folder = tmp_path_factory.mktemp("explored")
    build_dataset(folder / "dataset")
    store = DirectoryStore(folder / "dataset")
    build_index(Dataset.open(folder / "dataset"), store, BuildOptions(), scratch=folder)
    return folder / "dataset"


@pytest.fixture(scope="session")
def explorer(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explorer]:
    config = CoreConfig(scratch=tmp_path_factory.mktemp("explorer"), poll_seconds=3600, image_processes=1)
    with open_explorer({"demo": DirectoryStore(folder)}, config) as explorer:
        yield explorer
