"""One small dataset with an index, made as the pipeline and the indexer make it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pairmill.dataset.reader import Dataset
from pairmill.store.directory import DirectoryStore
from pairmill_explorer.open import CoreConfig, Explorer, open_explorer
from pairmill_index.build import build_index
from pairmill_index.options import BuildOptions
from tests.fakes.clock import ManualClock
from tests.fakes.dataset import build_dataset
from tests.fakes.dataset_options import Options
from tests.fakes.dataset_world import make_world


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset that nobody writes to but for reports."""
    return indexed(
        tmp_path_factory.mktemp("explored"), lambda out: build_dataset(out, Options(world=make_world(90)))
    )


@pytest.fixture(scope="session")
def explorer(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explorer]:
    with exploring(folder, tmp_path_factory.mktemp("explorer")) as explorer:
        yield explorer


def indexed(folder: Path, build: Callable[[Path], object]) -> Path:
    """Builds a dataset and its index below a folder, and returns where."""
    out = folder / "dataset"
    build(out)
    build_index(Dataset.open(out), DirectoryStore(out), BuildOptions(), scratch=folder)
    return out


@contextmanager
def exploring(folder: Path, scratch: Path) -> Iterator[Explorer]:
    """Opens an explorer over one dataset; nothing is looked at again, time stands still."""
    config = CoreConfig(scratch=scratch, poll_seconds=3600, image_processes=1)
    with open_explorer({"demo": DirectoryStore(folder)}, config, clock=ManualClock()) as explorer:
        yield explorer
