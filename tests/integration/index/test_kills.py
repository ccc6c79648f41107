"""Whatever dies while an index is changed, the version before serves on, and the next call ends the work."""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from pairmill.dataset.reader import Dataset
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectStore
from pairmill_index.add import add_samples
from pairmill_index.build import build_index
from pairmill_index.check import check_index
from pairmill_index.compact import compact
from pairmill_index.manifest import IndexVersion
from pairmill_index.options import BuildOptions
from pairmill_index.pending import pending_notes
from pairmill_index.publish import current_of, files_of, read_version
from pairmill_index.remove import remove_samples
from pairmill_index.sweep import sweep
from tests.fakes.dying_store import Died, DyingStore
from tests.fakes.processes import Child
from tests.fakes.vector_dataset import VectorDataset

Change = Callable[[ObjectStore, VectorDataset, Path], IndexVersion]


def rebuilt(store: ObjectStore, world: VectorDataset, scratch: Path) -> IndexVersion:
    return build_index(Dataset.open(world.folder), store, BuildOptions(min_recall=0.5), scratch=scratch)


def added(store: ObjectStore, world: VectorDataset, scratch: Path) -> IndexVersion:
    return add_samples(Dataset.open(world.folder), store, scratch=scratch)


def removed(store: ObjectStore, world: VectorDataset, scratch: Path) -> IndexVersion:
    return remove_samples(store, world.ids[:5], scratch=scratch)


def compacted(store: ObjectStore, world: VectorDataset, scratch: Path) -> IndexVersion:
    remove_samples(store, world.ids[:5], scratch=scratch)
    return compact(store, scratch=scratch, full=True)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> VectorDataset:
    """A dataset with an index of its first version, and a second version; not to be changed."""
    folder = tmp_path_factory.mktemp("prepared")
    world = VectorDataset(folder / "dataset", dimensions=8, buckets=("en", "multi"))
    world.folder.mkdir()
    world.add(120)
    build_index(world.publish(), DirectoryStore(world.folder), BuildOptions(), scratch=folder)
    world.add(30)
    world.publish(without=world.ids[10:12])
    return world


@pytest.fixture
def world(prepared: VectorDataset, tmp_path: Path) -> VectorDataset:
    copied = VectorDataset(tmp_path / "dataset", dimensions=8)
    shutil.copytree(prepared.folder, copied.folder)
    copied.ids = prepared.ids
    return copied


def fingerprint(version: IndexVersion) -> list[tuple[str, int, list[tuple[str, str]]]]:
    """What a version holds, whatever its segments are called."""
    return sorted(
        (one.bucket, one.rows, sorted((file.path.rsplit("/", 1)[1], file.sha256) for file in one.files))
        for one in version.segments
    )


def serving(store: ObjectStore) -> IndexVersion:
    return read_version(store, current_of(store))


@pytest.mark.parametrize("change", [rebuilt, added, removed, compacted])
def test_h1_a_death_before_any_write_leaves_a_version_that_serves(
    change: Change, world: VectorDataset, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    undisturbed = DyingStore(DirectoryStore(shutil.copytree(world.folder, tmp_path / "copy")), dies_after=-1)
    wanted = change(undisturbed, world, scratch)
    served = {str(fingerprint(serving(DirectoryStore(world.folder)))), str(fingerprint(wanted))}
    for dies_after in range(undisturbed.writes):
        folder = shutil.copytree(world.folder, tmp_path / f"dies-{dies_after}")
        store = DirectoryStore(folder)
        with pytest.raises(Died):
            change(DyingStore(store, dies_after=dies_after), world, scratch)
        assert check_index(store, tmp_path / "open").findings == []
        assert change is compacted or str(fingerprint(serving(store))) in served
        assert fingerprint(change(store, world, scratch)) == fingerprint(wanted)
        assert check_index(store, tmp_path / "open").findings == []
        shutil.rmtree(folder)


def test_a_sweep_that_died_is_ended_by_the_next(world: VectorDataset, tmp_path: Path) -> None:
    added(DirectoryStore(world.folder), world, tmp_path)
    compacted(DirectoryStore(world.folder), world, tmp_path)
    counting = DyingStore(DirectoryStore(shutil.copytree(world.folder, tmp_path / "copy")), dies_after=-1)
    sweep(counting, keep=1, grace=timedelta(0))
    assert counting.writes > 4
    for dies_after in range(counting.writes):
        folder = shutil.copytree(world.folder, tmp_path / f"dies-{dies_after}")
        store = DirectoryStore(folder)
        with pytest.raises(Died):
            sweep(DyingStore(store, dies_after=dies_after), keep=1, grace=timedelta(0))
        assert check_index(store, tmp_path / "open").findings == []
        sweep(store, keep=1, grace=timedelta(0))
        assert check_index(store, tmp_path / "open").findings == []
        assert {one.key for one in store.list("index/segments/")} == _needed(store)
        shutil.rmtree(folder)


def test_a_build_that_was_killed_goes_on_with_what_it_had_not_finished(
    world: VectorDataset, tmp_path: Path
) -> None:
    store = DirectoryStore(world.folder)
    counting = DyingStore(store, dies_after=8)  # in the second of two buckets
    with pytest.raises(Died):
        rebuilt(counting, world, tmp_path)
    half = {note.segment_id: note.is_finished for _, note in pending_notes(store) if note is not None}
    assert sorted(half.values()) == [False, True]
    version = rebuilt(store, world, tmp_path)
    names = {one.segment_id for one in version.segments}
    assert [is_finished for name, is_finished in half.items() if name in names] == [True]
    assert pending_notes(store) == []
    assert {one.key for one in store.list("index/segments/")} == _needed(store)


def test_what_a_build_left_that_nobody_went_on_with_is_swept(world: VectorDataset, tmp_path: Path) -> None:
    store = DirectoryStore(world.folder)
    with pytest.raises(Died):
        rebuilt(DyingStore(store, dies_after=6), world, tmp_path)
    assert {one.key for one in store.list("index/segments/")} > _needed(store)
    assert sweep(store).abandoned == 0
    assert sweep(store, now=datetime.now(UTC) + timedelta(days=2)).abandoned > 0
    assert {one.key for one in store.list("index/segments/")} == _needed(store)
    assert check_index(store, tmp_path / "open").findings == []


def test_h1_a_killed_process_leaves_a_version_that_serves(world: VectorDataset, tmp_path: Path) -> None:
    _survive_kills(world, tmp_path, kills=2, seed=1)


@pytest.mark.long
def test_h1_twenty_random_kills_during_build_and_add(world: VectorDataset, tmp_path: Path) -> None:
    _survive_kills(world, tmp_path, kills=20, seed=2)


def _survive_kills(world: VectorDataset, tmp_path: Path, *, kills: int, seed: int) -> None:
    draw = random.Random(seed)
    store = DirectoryStore(world.folder)
    for number in range(kills):
        verb = draw.choice(("build", "add"))
        arguments = (world.folder, tmp_path / "scratch", verb, str(draw.randrange(12)))
        with Child("tests.fakes.index_child", *arguments) as child:
            code = child.wait(120)
        assert code in (-signal.SIGKILL, 0)
        assert check_index(store, tmp_path / "open").findings == [], number
    version = added(store, world, tmp_path / "scratch")
    expected = Dataset.open(world.folder)
    assert version.dataset_version == expected.manifest.version
    alive = check_index(store, tmp_path / "open").rows
    assert alive == sum(entry.rows for entry in expected.files("samples"))
    assert not list((tmp_path / "scratch").glob("index-*"))


def _needed(store: DirectoryStore) -> set[str]:
    current = current_of(store)
    versions = [serving(store), *(read_version(store, past) for past in current.past)]
    return {path for one in versions for path in files_of(one) if path.startswith("index/segments/")}


def test_ids_are_what_the_dataset_has(prepared: VectorDataset) -> None:
    """The fixture is as the tests suppose."""
    assert len(np.unique(prepared.ids, axis=0)) == 150
