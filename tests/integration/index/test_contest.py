"""What becomes of segments that were made in hours, when another publishes first."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec
import pytest

from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectInfo, ObjectStore
from pairmill_index.add import add_samples
from pairmill_index.build import build_index
from pairmill_index.check import check_index
from pairmill_index.compact import compact
from pairmill_index.errors import LostPublicationError
from pairmill_index.layout import CURRENT
from pairmill_index.opened import open_index
from pairmill_index.options import BuildOptions
from pairmill_index.pending import pending_notes
from pairmill_index.publish import current_of, files_of, publish, read_version
from pairmill_index.removed import write_removed
from pairmill_index.sweep import sweep
from tests.fakes.busy_store import BusyStore, ConditionalStore, FatalStore, OverwrittenStore
from tests.fakes.dying_store import Died
from tests.fakes.vector_dataset import VectorDataset
from tests.integration.index.conftest import MADE, changes, taken_down


def beaten(world: VectorDataset, act: Callable[[], object]) -> ConditionalStore:
    """Returns a store on which another publishes in the same moment, and wins."""
    return ConditionalStore(world.folder, act, at_stat="nothing")


def lost(
    world: VectorDataset, do: Callable[[ObjectStore], object], win: Callable[[ObjectStore], object]
) -> DirectoryStore:
    """Returns the store after a change lost to another of the same moment."""
    plain = DirectoryStore(world.folder)
    with pytest.raises(LostPublicationError):
        do(beaten(world, lambda: win(plain)))
    return plain


def holds_its_own_files_alone(store: DirectoryStore) -> bool:
    """Whether the version that serves is all there is of segments, and nobody is on the way."""
    named = files_of(read_version(store, current_of(store))).keys()
    return {one.key for one in store.list("index/segments/")} == named and pending_notes(store) == []


@pytest.mark.parametrize("change", MADE)
def test_g8_what_was_made_is_published_upon_a_removal_of_the_same_moment(
    world: VectorDataset, tmp_path: Path, change: str
) -> None:
    """A takedown in the hours of a build costs it nothing, and is kept to."""
    do = changes(world, tmp_path)[change]
    plain = DirectoryStore(world.folder)
    store = beaten(world, lambda: taken_down(world.folder, world, tmp_path))
    do(store)
    assert store.acted == 1
    version = read_version(plain, current_of(plain))
    assert version.removed_rows == 5
    assert version.samples == (100 if change == "compact" else 120) - 5
    assert pending_notes(plain) == []
    assert check_index(plain, tmp_path / "open").findings == []
    with open_index(plain, tmp_path / "open") as index:
        assert all((one.find(world.ids[:5]) == -1).all() for one in index.segments)
    compact(plain, scratch=tmp_path / "scratch")  # what was removed leaves the disk as ever
    assert read_version(plain, current_of(plain)).removed_rows == 0


def test_g8_a_list_of_removed_ids_that_was_begun_anew_is_not_published_upon(
    world: VectorDataset, tmp_path: Path
) -> None:
    """The build left out what stood on the old one."""
    plain = DirectoryStore(world.folder)
    taken_down(world.folder, world, tmp_path)
    served = read_version(plain, current_of(plain))
    other = msgspec.structs.replace(served, removed=write_removed(plain, world.ids[7:9]), removed_rows=2)
    do = changes(world, tmp_path)["build"]
    with pytest.raises(LostPublicationError):
        do(beaten(world, lambda: publish(plain, other, current_of(plain))))
    assert pending_notes(plain) == []


def test_a_build_that_lost_to_an_addition_is_gone_on_with(world: VectorDataset, tmp_path: Path) -> None:
    do, add = (changes(world, tmp_path)[one] for one in ("build", "add"))
    plain = lost(world, do, add)
    noted = {note.segment_id for _, note in pending_notes(plain) if note is not None and note.is_finished}
    assert noted
    do(plain)
    assert {one.segment_id for one in read_version(plain, current_of(plain)).segments} == noted
    assert pending_notes(plain) == []
    assert check_index(plain, tmp_path / "open").findings == []


def test_what_nobody_goes_on_with_after_a_lost_build_is_swept(world: VectorDataset, tmp_path: Path) -> None:
    do, add = (changes(world, tmp_path)[one] for one in ("build", "add"))
    plain = lost(world, do, add)
    assert sweep(plain, keep=1, grace=timedelta(0)).abandoned == 0  # another try may be on its way
    sweep(plain, keep=1, grace=timedelta(0), now=datetime.now(UTC) + timedelta(days=2))
    assert holds_its_own_files_alone(plain)


def test_an_addition_that_lost_to_another_leaves_nothing(world: VectorDataset, tmp_path: Path) -> None:
    """Another try is made from the other's version, and of other segments."""
    do, merge = (changes(world, tmp_path)[one] for one in ("add", "compact"))
    plain = lost(world, do, merge)
    sweep(plain, keep=1, grace=timedelta(0))
    assert holds_its_own_files_alone(plain)


@pytest.mark.parametrize("other", ["remove", "add"])
def test_h1_g8_who_dies_while_he_loses_leaves_what_the_next_or_a_sweep_finds(
    world: VectorDataset, tmp_path: Path, other: str
) -> None:
    world.add(20)
    dataset = world.publish()

    def build(store: ObjectStore) -> None:
        build_index(dataset, store, BuildOptions(min_recall=0.5), scratch=tmp_path / "scratch")

    def act(folder: Path) -> None:
        plain = DirectoryStore(folder)
        if other == "add":
            add_samples(dataset, plain, scratch=tmp_path / "other")
        else:
            taken_down(folder, world, tmp_path)

    place, has_died = 0, True
    while has_died:
        folder = Path(shutil.copytree(world.folder, tmp_path / f"place-{place}"))
        plain = DirectoryStore(folder)
        store = FatalStore(folder, partial(act, folder), dies_after=place)
        try:
            build(store)
            has_died = False
        except Died:
            place += 1
        except LostPublicationError:
            has_died = False
        build(plain)
        assert check_index(plain, tmp_path / f"open-{place}").findings == []
        sweep(plain, keep=1, grace=timedelta(0), now=datetime.now(UTC) + timedelta(days=2))
        version = read_version(plain, current_of(plain))
        assert (version.removed is not None) == (other == "remove" and store.acted == 1)
        stored = {one.key for name in ("segments", "pending") for one in plain.list(f"index/{name}/")}
        assert stored <= files_of(version).keys()
    assert place >= 8


@pytest.mark.parametrize("change", MADE)
def test_g8_who_made_something_and_is_overwritten_publishes_it_again(
    world: VectorDataset, tmp_path: Path, change: str
) -> None:
    do = changes(world, tmp_path)[change]
    plain = DirectoryStore(world.folder)
    before = plain.get(CURRENT)
    store = OverwrittenStore(world.folder, lambda: plain.put(CURRENT, before), at_stat="nothing")
    do(store)
    assert store.acted == 1
    assert plain.get(CURRENT) != before
    assert pending_notes(plain) == []
    assert check_index(plain, tmp_path / "open").findings == []


def test_who_is_overwritten_again_and_again_gives_up(world: VectorDataset, tmp_path: Path) -> None:
    do = changes(world, tmp_path)["build"]
    plain = DirectoryStore(world.folder)
    before, keys = plain.get(CURRENT), {one.key for one in plain.list("index/")}

    class Overwriting(BusyStore):
        def put(self, key: str, data: bytes) -> ObjectInfo:
            return super().put(key, before if key == CURRENT else data)

    with pytest.raises(LostPublicationError, match="go on publishing"):
        do(Overwriting(world.folder, lambda: None, at_stat="nothing"))
    assert {one.key for one in plain.list("index/")} == keys
