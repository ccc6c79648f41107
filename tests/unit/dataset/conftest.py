"""One finished dataset for all tests of this folder; tests that change it work on a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pairmill.dataset.manifest import FileEntry
from pairmill.dataset.reader import Dataset
from tests.fakes.dataset import build_dataset
from tests.fakes.dataset_options import Options
from tests.fakes.dataset_world import make_world


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset that closes; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    build_dataset(folder, Options(world=make_world(candidates=70)))
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def first_file(folder: Path, role: str) -> FileEntry:
    """Returns the largest file of a role."""
    return max(Dataset.open(folder).files(role), key=lambda entry: entry.rows)
