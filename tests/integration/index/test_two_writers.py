"""On a store without locks two may change an index at once: what one published the other does not undo."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from pairmill.errors import RetriableError
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectStore
from pairmill_index.add import add_samples
from pairmill_index.build import build_index
from pairmill_index.check import check_index
from pairmill_index.errors import LostPublicationError
from pairmill_index.layout import CURRENT, version_key
from pairmill_index.manifest import IndexVersion, Segment
from pairmill_index.opened import open_index
from pairmill_index.options import BuildOptions
from pairmill_index.pending import PendingSegment, pending_notes
from pairmill_index.publish import current_of
from pairmill_index.remove import remove_samples
from pairmill_index.sweep import sweep
from tests.fakes.busy_store import BusyStore, ConditionalStore, OverwrittenStore
from tests.fakes.dying_store import DyingStore
from tests.fakes.vector_dataset import VectorDataset
from tests.integration.index.conftest import changes, taken_down


def test_g8_a_sweep_does_not_take_back_a_removal_that_was_published_meanwhile(
    world: VectorDataset, tmp_path: Path
) -> None:
    counting = DyingStore(DirectoryStore(shutil.copytree(world.folder, tmp_path / "copy")), dies_after=-1)
    sweep(counting, keep=1, grace=timedelta(0))
    assert counting.writes > 3
    for place in range(counting.writes - 1):  # the last is the replacement itself
        folder = shutil.copytree(world.folder, tmp_path / f"place-{place}")
        removed = swept_during_a_removal(folder, place, world, tmp_path)
        store = DirectoryStore(folder)
        assert current_of(store).version == removed.version()
        assert check_index(store, tmp_path / f"open-{place}").findings == []
        with open_index(store, tmp_path / f"open-{place}") as index:
            assert all((one.find(world.ids[:5]) == -1).all() for one in index.segments)


def test_g8_a_removal_while_files_are_looked_at_is_not_overwritten(
    world: VectorDataset, tmp_path: Path
) -> None:
    world.add(20)
    dataset = world.publish()
    store = BusyStore(
        world.folder, lambda: taken_down(world.folder, world, tmp_path), at_stat="index/segments/"
    )
    version = add_samples(dataset, store, scratch=tmp_path / "scratch")
    assert store.acted == 1
    assert version.removed is not None
    with open_index(store, tmp_path / "open") as index:
        assert all((one.find(world.ids[:5]) == -1).all() for one in index.segments)


def test_g8_who_removes_in_the_same_moment_loses_and_leaves_nothing(
    world: VectorDataset, tmp_path: Path
) -> None:
    do = changes(world, tmp_path)["remove"]
    removed: list[IndexVersion] = []
    plain = DirectoryStore(world.folder)
    before = {one.key for one in plain.list("index/")}
    store = ConditionalStore(
        world.folder, lambda: removed.append(taken_down(world.folder, world, tmp_path)), at_stat="nothing"
    )
    with pytest.raises(LostPublicationError, match="in this moment"):
        do(store)
    (published,) = removed
    assert current_of(plain).version == published.version()
    assert published.removed is not None
    left = {one.key for one in plain.list("index/")} - before
    assert left == {version_key(published.version()), published.removed.path}
    assert check_index(plain, tmp_path / "open").findings == []
    do(store)
    assert current_of(plain).version != published.version()
    assert check_index(plain, tmp_path / "open").findings == []


def test_g8_who_removes_and_is_overwritten_is_told_and_leaves_nothing(
    world: VectorDataset, tmp_path: Path
) -> None:
    do = changes(world, tmp_path)["remove"]
    plain = DirectoryStore(world.folder)
    before, current = {one.key for one in plain.list("index/")}, plain.get(CURRENT)
    store = OverwrittenStore(world.folder, lambda: plain.put(CURRENT, current), at_stat="nothing")
    with pytest.raises(LostPublicationError, match="over this one"):
        do(store)
    assert {one.key for one in plain.list("index/")} == before
    assert check_index(plain, tmp_path / "open").findings == []


def test_g8_a_sweep_that_loses_takes_nothing_back(world: VectorDataset, tmp_path: Path) -> None:
    store = ConditionalStore(
        world.folder, lambda: taken_down(world.folder, world, tmp_path), at_stat="nothing"
    )
    sweep(store, keep=1, grace=timedelta(0))
    assert store.acted == 1
    with open_index(store, tmp_path / "open") as index:
        assert all((one.find(world.ids[:5]) == -1).all() for one in index.segments)
    sweep(store, keep=1, grace=timedelta(0))
    assert current_of(store).past == ()


def test_a_segment_that_another_published_outlasts_the_one_who_lost(tmp_path: Path) -> None:
    """Two build the same, so that one takes over what the other has finished, and publishes it first."""
    made = VectorDataset(tmp_path / "dataset", dimensions=8, buckets=("en",))
    made.folder.mkdir()
    made.add(60)
    dataset = made.publish()

    def build(store: ObjectStore, scratch: str) -> IndexVersion:
        return build_index(dataset, store, BuildOptions(), scratch=tmp_path / scratch)

    store = ConditionalStore(made.folder, lambda: build(DirectoryStore(made.folder), "b"), at_stat="nothing")
    with pytest.raises(LostPublicationError):
        build(store, "a")
    assert check_index(store, tmp_path / "open").findings == []


def test_h1_of_two_who_write_the_same_segment_every_file_stays_known(tmp_path: Path) -> None:
    """A file that no note and no version names would stay for ever."""
    (tmp_path / "store").mkdir()
    files = [tmp_path / "rows.arrow", tmp_path / "ids.npy"]
    for path in files:
        path.write_bytes(b"what an index holds")
    empty = Segment(segment_id="", bucket="en", rows=1, files=(), indices=())
    plain = DirectoryStore(tmp_path / "store")
    other = PendingSegment(plain, "en", ("the same",))
    published: list[Segment] = []

    def build_the_same() -> None:
        assert other.finished() is None
        published.append(other.put(empty, files))

    store = BusyStore(tmp_path / "store", build_the_same, before_write=2)  # between the two files
    PendingSegment(store, "en", ("the same",)).put(empty, files)
    other.forget()
    known = {note.segment_id for _, note in pending_notes(plain) if note is not None}
    known |= {one.segment_id for one in published}
    stored = {one.key.split("/")[2] for one in plain.list("index/segments/")}
    assert len(stored) == 2
    assert stored <= known


@pytest.mark.parametrize("gone", ["index/removed/", "index/versions/"])
def test_g8_what_another_who_made_the_same_has_removed_is_not_named(
    world: VectorDataset, tmp_path: Path, gone: str
) -> None:
    """Who removes the same ids gives list and manifest the same names; it lost, and removes its own."""
    plain = DirectoryStore(world.folder)
    before = {one.key for one in plain.list("index/")}

    def lose() -> None:
        plain.delete_all([one.key for one in plain.list(gone) if one.key not in before])

    store = BusyStore(world.folder, lose, at_stat="index/segments/")
    with pytest.raises(RetriableError, match="has removed index/"):
        remove_samples(store, world.ids[7:9], scratch=tmp_path / "scratch")
    assert store.acted == 1
    assert check_index(plain, tmp_path / "open").findings == []
    remove_samples(store, world.ids[7:9], scratch=tmp_path / "scratch")
    assert check_index(plain, tmp_path / "open").findings == []


def test_who_loses_to_the_removal_of_the_index_is_told_so_and_leaves_nothing(
    world: VectorDataset, tmp_path: Path
) -> None:
    """Whoever starts anew without the old list of removed ids deletes `current.json`."""
    plain = DirectoryStore(world.folder)
    before = {one.key for one in plain.list("index/")} - {CURRENT}
    store = BusyStore(world.folder, lambda: plain.delete(CURRENT), at_stat="index/segments/")
    do = changes(world, tmp_path)["add"]
    with pytest.raises(LostPublicationError):
        do(store)
    assert {one.key for one in plain.list("index/")} == before


def swept_during_a_removal(folder: Path, place: int, world: VectorDataset, tmp_path: Path) -> IndexVersion:
    """Another process removes samples before the given write of a sweep; returns what it published."""
    removed: list[IndexVersion] = []

    def remove() -> None:
        removed.append(taken_down(folder, world, tmp_path))

    sweep(BusyStore(folder, remove, before_write=place), keep=1, grace=timedelta(0))
    (published,) = removed
    return published
