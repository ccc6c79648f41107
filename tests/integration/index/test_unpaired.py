"""What is in no segment for want of its other half is counted, and samples that are found are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pairmill.dataset.reader import Dataset
from pairmill.idarrays import Words
from pairmill.store.directory import DirectoryStore
from pairmill_index.add import add_samples
from pairmill_index.build import build_index
from pairmill_index.compact import compact
from pairmill_index.manifest import IndexVersion, Unpaired
from pairmill_index.opened import open_index
from pairmill_index.options import BuildOptions
from pairmill_index.remove import remove_samples
from tests.fakes.dying_store import Died, DyingStore
from tests.fakes.vector_dataset import VectorDataset

ROWS = 900
KEPT = BuildOptions(only_kept=True)


class World:
    """A dataset in which some samples have lost one of their halves."""

    def __init__(self, folder: Path) -> None:
        self.scratch = folder / "scratch"
        self.made = VectorDataset(folder / "dataset", dimensions=8, shard_rows=300)
        self.made.folder.mkdir(parents=True)
        self.store = DirectoryStore(self.made.folder)
        self.made.add(ROWS)

    def build(self, dataset: Dataset, options: BuildOptions | None = None) -> IndexVersion:
        return build_index(dataset, self.store, options or BuildOptions(), scratch=self.scratch)

    def add(self, dataset: Dataset) -> IndexVersion:
        return add_samples(dataset, self.store, scratch=self.scratch)

    def unembedded(self, rows: int, *, failed: int = 0) -> Words:
        """Adds samples that `data/` has and no embedding; the verdict of some is `failed`."""
        ids = np.random.default_rng(rows).integers(0, 2**64, (rows, 2), dtype=np.uint64)
        self.made.unembedded, self.made.failed = ids, ids[:failed]
        return ids

    def found(self) -> int:
        with open_index(self.store, self.scratch / "open") as index:
            return sum(int(np.count_nonzero(one.alive)) for one in index.segments)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("options", [BuildOptions(), KEPT, BuildOptions(memory_bytes=400_000)])
def test_a_build_counts_vectors_without_rows_and_rows_without_vectors(
    world: World, options: BuildOptions
) -> None:
    world.unembedded(20, failed=5)
    dataset = world.made.publish(without=world.made.ids[:30])
    version = world.build(dataset, options)
    assert version.unpaired == Unpaired(embeddings=30, rows=15)
    assert version.samples == version.rows == world.found()


def test_a_dataset_that_is_whole_has_nothing_unpaired(world: World) -> None:
    assert world.build(world.made.publish()).unpaired == Unpaired(embeddings=0, rows=0)


def test_what_a_killed_build_counted_is_said_by_the_one_that_goes_on(world: World) -> None:
    world.unembedded(20)
    dataset = world.made.publish(without=world.made.ids[:30])
    counting = DyingStore(DirectoryStore(world.made.folder), dies_after=-1)
    wanted = build_index(dataset, counting, BuildOptions(), scratch=world.scratch)
    for place in (4, counting.writes // 2, counting.writes - 5, counting.writes - 4):
        later = World(world.scratch / str(place))
        later.unembedded(20)
        dataset = later.made.publish(without=later.made.ids[:30])
        dying = DyingStore(later.store, dies_after=place)
        with pytest.raises(Died):
            build_index(dataset, dying, BuildOptions(), scratch=later.scratch)
        assert later.build(dataset).unpaired == wanted.unpaired == Unpaired(embeddings=30, rows=20)


@pytest.mark.parametrize("options", [BuildOptions(), KEPT], ids=["all", "kept"])
def test_an_addition_counts_anew(world: World, options: BuildOptions) -> None:
    gone = world.made.ids[:30]
    world.build(world.made.publish(without=gone), options)
    world.made.add(100)
    world.unembedded(7)
    without = np.concatenate([gone, world.made.ids[-4:]])
    version = world.add(world.made.publish(without=without))
    assert version.unpaired == Unpaired(embeddings=34, rows=7)
    assert version.samples == world.found()


def changes(world: World) -> dict[str, Callable[[], IndexVersion]]:
    """Everything that makes another version, in an order in which each has something to do."""
    some = world.made.ids
    return {
        "removed": lambda: remove_samples(world.store, some[10:25], scratch=world.scratch),
        "gone": lambda: world.add(world.made.publish(without=some[20:60])),
        "removed again": lambda: remove_samples(world.store, some[50:70], scratch=world.scratch),
        "merged": lambda: compact(world.store, scratch=world.scratch, full=True),
    }


def test_every_change_says_how_many_samples_are_found(world: World) -> None:
    assert world.build(world.made.publish()).samples == ROWS
    for name, change in changes(world).items():
        version = change()
        assert version.samples == world.found(), name
    assert version.samples == ROWS - 60


def test_a_manifest_of_an_earlier_version_keeps_its_name(world: World) -> None:
    version = world.build(world.made.publish())
    earlier = msgspec.structs.replace(version, unpaired=msgspec.UNSET, served_rows=msgspec.UNSET)
    assert b"unpaired" not in earlier.encoded()
    assert b"served_rows" not in earlier.encoded()
    read = msgspec.json.decode(earlier.encoded(), type=IndexVersion)
    assert read.version() == earlier.version() != version.version()
    assert read.samples == ROWS
