"""A stored dataset with its index, to be copied and worked on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pairmill.dataset.reader import Dataset
from pairmill.store.directory import DirectoryStore
from pairmill_index.build import build_index
from pairmill_index.options import BuildOptions
from pairmill_protos.explorer.v1.subset_service_pb2 import ExportState
from tests.fakes.stored_dataset import Shape, make_stored_dataset
from tests.fakes.subset_desks import OpenedDesk, opened_desk

Rows = list[dict[str, Any]]

COMPLETE = ExportState.EXPORT_STATE_COMPLETE
ALL: dict[str, Any] = {"filters": {"verdicts": ["kept"]}, "seed": 3}
"""A recipe of all that was kept."""


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rows]:
    """A dataset of a thousand samples and its rows; not to be changed."""
    folder = tmp_path_factory.mktemp("stored")
    rows = make_stored_dataset(folder / "out", Shape(samples=1000, per_shard=250, side=64, without_image=0.1))
    store = DirectoryStore(folder / "out")
    build_index(Dataset.open(store), store, BuildOptions(), scratch=folder)
    return folder / "out", rows


@pytest.fixture
def stored(made: tuple[Path, Rows], tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(made[0], tmp_path / "out"))


@pytest.fixture
def rows(made: tuple[Path, Rows]) -> Rows:
    """The rows of `data/`."""
    return made[1]


@pytest.fixture
def opened(stored: Path, tmp_path: Path) -> Iterator[OpenedDesk]:
    """Its subsets."""
    with opened_desk(stored, tmp_path / "scratch") as found:
        yield found
