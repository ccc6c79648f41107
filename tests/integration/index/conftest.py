"""A dataset whose index has a past, and what may be done to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectStore
from pairmill_index.add import add_samples
from pairmill_index.build import build_index
from pairmill_index.compact import compact
from pairmill_index.manifest import IndexVersion
from pairmill_index.options import BuildOptions
from pairmill_index.remove import remove_samples
from tests.fakes.vector_dataset import VectorDataset

MADE = ("build", "add", "compact")
"""Changes that make segments."""


@pytest.fixture
def world(tmp_path: Path) -> VectorDataset:
    """A dataset whose index has had three versions."""
    made = VectorDataset(tmp_path / "dataset", dimensions=8, buckets=("en",))
    made.folder.mkdir()
    made.add(60)
    store = DirectoryStore(made.folder)
    build_index(made.publish(), store, BuildOptions(), scratch=tmp_path)
    for _ in range(2):
        made.add(20)
        add_samples(made.publish(), store, scratch=tmp_path)
    return made


def changes(world: VectorDataset, tmp_path: Path) -> dict[str, Callable[[ObjectStore], object]]:
    """Everything that publishes a version."""
    world.add(20)
    dataset, scratch = world.publish(), tmp_path / "scratch"
    return {
        "build": lambda store: build_index(dataset, store, BuildOptions(min_recall=0.5), scratch=scratch),
        "add": lambda store: add_samples(dataset, store, scratch=scratch),
        "remove": lambda store: remove_samples(store, world.ids[7:9], scratch=scratch),
        "compact": lambda store: compact(store, scratch=scratch, full=True),
    }


def taken_down(folder: Path, world: VectorDataset, tmp_path: Path) -> IndexVersion:
    """Another process removes samples."""
    return remove_samples(DirectoryStore(folder), world.ids[:5], scratch=tmp_path / "other")
