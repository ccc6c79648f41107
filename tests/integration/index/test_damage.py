"""A damaged or foreign index is refused at load, naming the file; what is open keeps serving."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pairmill.dataset.reader import Dataset
from pairmill.errors import CorruptObjectError, ObjectMissingError
from pairmill.store.directory import DirectoryStore
from pairmill_index.add import add_samples
from pairmill_index.assemble import refuse_below
from pairmill_index.build import build_index
from pairmill_index.check import check_index
from pairmill_index.compact import compact
from pairmill_index.errors import IndexRefusedError, NoIndexError
from pairmill_index.faiss_adapter import Lists
from pairmill_index.files import drop_copies
from pairmill_index.layout import CURRENT, version_key
from pairmill_index.manifest import IndexVersion, Measured, Modality, VectorIndex
from pairmill_index.opened import open_index
from pairmill_index.options import BuildOptions
from pairmill_index.publish import current_of, publish, read_version
from pairmill_index.remove import remove_samples
from pairmill_index.sweep import sweep
from tests.fakes.dying_store import DyingStore
from tests.fakes.vector_dataset import VectorDataset, clustered

Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset whose only bucket has inverted lists; not to be changed."""
    folder = tmp_path_factory.mktemp("prepared")
    world = VectorDataset(folder / "dataset", dimensions=64, buckets=("en",))
    world.folder.mkdir()
    world.add(21_000)
    options = BuildOptions(latency_ms=0.5, memory_bytes=2**28, min_recall=0.5)
    build_index(world.publish(), DirectoryStore(world.folder), options, scratch=folder)
    return world.folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "dataset"))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def lose(path: Path) -> None:
    path.unlink()


NAMES = ("rows.arrow", "ids.npy", "image.npy", "image.faiss", "image.lists.npy", "text.faiss")


def test_the_fixture_has_all_kinds_of_files(prepared: Path) -> None:
    names = {path.name for path in (prepared / "index" / "segments").rglob("*.*")}
    assert set(NAMES) <= names


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", [flip, cut, lose])
def test_h1_a_damaged_file_is_refused_and_named(
    damage: Damage, name: str, folder: Path, tmp_path: Path
) -> None:
    store = DirectoryStore(folder)
    with open_index(store, tmp_path / "open") as serving:
        path = next((folder / "index").rglob(name))
        path.rename(tmp_path / "kept")  # what is open keeps its file
        shutil.copy(tmp_path / "kept", path)
        damage(path)
        with pytest.raises(CorruptObjectError, match=re.escape(f"{path.parent.name}/{name}")):
            open_index(store, tmp_path / "again")
        assert any(name in finding for finding in check_index(store, tmp_path / "check").findings)
        segment = serving.segments[0]
        own = segment.vectors(Modality.IMAGE)[:3].astype(np.float32)
        assert segment.search(Modality.IMAGE, own, 1)[1][:, 0].tolist() == [0, 1, 2]


def test_h1_a_store_that_is_no_folder_is_verified_while_it_is_copied(folder: Path, tmp_path: Path) -> None:
    """Through a port, as a bucket: the wrapped store is no folder to the index."""
    store = DyingStore(DirectoryStore(folder), dies_after=-1)
    with open_index(store, tmp_path / "open") as index:
        segment = index.segments[0]
        own = segment.vectors(Modality.TEXT)[:3].astype(np.float32)
        assert segment.search(Modality.TEXT, own, 1)[1][:, 0].tolist() == [0, 1, 2]
    copies = {path: path.stat().st_mtime_ns for path in (tmp_path / "open").rglob("*.npy")}
    open_index(store, tmp_path / "open").close()
    assert copies == {path: path.stat().st_mtime_ns for path in (tmp_path / "open").rglob("*.npy")}
    path = next((folder / "index").rglob("image.faiss"))
    flip(path)
    with pytest.raises(CorruptObjectError, match=r"image\.faiss"):
        open_index(store, tmp_path / "other")


def republished(folder: Path, change: Callable[[IndexVersion], IndexVersion]) -> None:
    """Publishes the version that serves with something changed."""
    store = DirectoryStore(folder)
    current = current_of(store)
    publish(store, change(read_version(store, current)), current)


def test_h1_lists_of_other_dimensions_are_refused(folder: Path, tmp_path: Path) -> None:
    path = next((folder / "index").rglob("image.faiss"))
    other = Lists.trained(clustered(2000, 8), "IVF8,SQ8")
    other.fill([clustered(21_000, 8)])
    other.write(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    _restate(folder, path, digest)
    with pytest.raises(CorruptObjectError, match=r"image\.faiss holds 21000 vectors of 8 dimensions"):
        open_index(DirectoryStore(folder), tmp_path / "open")


def test_h1_vectors_of_other_dimensions_are_refused(folder: Path, tmp_path: Path) -> None:
    republished(folder, lambda version: msgspec.structs.replace(version, dimensions=8))
    with pytest.raises(CorruptObjectError, match=r"image\.npy holds"):
        open_index(DirectoryStore(folder), tmp_path / "open")


def test_h1_a_file_that_is_no_lists_is_refused(folder: Path, tmp_path: Path) -> None:
    path = next((folder / "index").rglob("image.faiss"))
    path.write_bytes(b"IwFl" + b"\xff" * 100)
    _restate(folder, path, hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(CorruptObjectError, match=r"image\.faiss holds no inverted lists"):
        open_index(DirectoryStore(folder), tmp_path / "open")


def test_h1_another_schema_version_is_refused_with_the_fix(folder: Path, tmp_path: Path) -> None:
    republished(folder, lambda version: msgspec.structs.replace(version, schema_version=99))
    with pytest.raises(CorruptObjectError, match=r"schema version 99.*build the index anew"):
        open_index(DirectoryStore(folder), tmp_path / "open")


def test_g8_an_index_of_another_schema_is_built_anew_and_keeps_to_its_removals(
    folder: Path, tmp_path: Path
) -> None:
    store = DirectoryStore(folder)
    with open_index(store, tmp_path / "open") as index:
        gone = np.array(index.segments[0].ids[:2])
    remove_samples(store, gone, scratch=tmp_path)
    republished(folder, lambda version: msgspec.structs.replace(version, schema_version=99))
    version = build_index(
        Dataset.open(folder), store, BuildOptions(latency_ms=100, only_kept=True), scratch=tmp_path
    )
    assert version.removed is not None
    with open_index(store, tmp_path / "open") as index:
        assert all((one.find(gone) == -1).all() for one in index.segments)
    assert len(sweep(store, keep=2, grace=timedelta(0)).versions) == 2  # the one of that schema is kept
    assert len(sweep(store, keep=1, grace=timedelta(0)).versions) == 1
    named = {file.path for one in version.segments for file in one.files}
    assert {one.key for one in store.list("index/segments/")} == named


def test_copies_of_old_versions_are_dropped(folder: Path, tmp_path: Path) -> None:
    store = DyingStore(DirectoryStore(folder), dies_after=-1)
    first = open_index(store, tmp_path / "open")
    remove_samples(store, np.array(first.segments[0].ids[:2]), scratch=tmp_path)
    version = compact(store, scratch=tmp_path)
    second = open_index(store, tmp_path / "open")
    dropped = drop_copies(tmp_path / "open", [version])
    assert dropped == len(first.manifest.segments[0].files)
    assert first.segments[0].vectors(Modality.IMAGE)[0].any()  # mapped, though its file has no name any more
    open_index(store, tmp_path / "open").close()
    assert second.version == version.version()


def test_h1_a_manifest_that_was_changed_is_refused(folder: Path, tmp_path: Path) -> None:
    store = DirectoryStore(folder)
    key = version_key(current_of(store).version)
    store.put(key, store.get(key).replace(b"en", b"de"))
    with pytest.raises(CorruptObjectError, match=re.escape(key)):
        open_index(store, tmp_path / "open")
    store.put(CURRENT, b"{")
    with pytest.raises(CorruptObjectError, match=r"current\.json"):
        open_index(store, tmp_path / "open")
    store.delete(CURRENT)
    with pytest.raises(NoIndexError, match="pairmill index build"):
        open_index(store, tmp_path / "open")


def test_a_version_that_finds_too_little_is_refused_and_the_old_one_serves(
    folder: Path, tmp_path: Path
) -> None:
    store = DirectoryStore(folder)
    before = current_of(store)
    options = BuildOptions(latency_ms=0.001, min_recall=1.0, memory_bytes=2**28)
    with pytest.raises(IndexRefusedError, match=r"below the gate of 1\.0"):
        build_index(Dataset.open(folder), store, options, scratch=tmp_path)
    assert current_of(store) == before
    assert list(store.list("index/pending/")) == []
    named = {file.path for one in read_version(store, before).segments for file in one.files}
    assert {one.key for one in store.list("index/segments/")} == named


@pytest.mark.parametrize(
    "pattern",
    ["img_emb_*.npy", "text_emb_*.npy", "metadata_*.parquet", "data/*/*.parquet", "shards/*.parquet"],
)
def test_g4_a_damaged_file_of_the_dataset_is_not_indexed_and_named(pattern: str, tmp_path: Path) -> None:
    world = VectorDataset(tmp_path / "dataset", dimensions=16)
    world.folder.mkdir()
    world.add(300)
    dataset, store = world.publish(), DirectoryStore(world.folder)
    before = build_index(dataset, store, BuildOptions(), scratch=tmp_path)
    world.add(300)
    dataset = world.publish()
    path = max(world.folder.rglob(pattern), key=lambda one: one.stat().st_mtime_ns)
    flip(path)
    name = re.escape(path.relative_to(world.folder).as_posix())
    with pytest.raises(CorruptObjectError, match=name):
        build_index(dataset, store, BuildOptions(), scratch=tmp_path)
    with pytest.raises(CorruptObjectError, match=name):
        add_samples(dataset, store, scratch=tmp_path)
    assert read_version(store, current_of(store)) == before
    flip(path)
    build_index(dataset, store, BuildOptions(), scratch=tmp_path)


def test_a_gate_is_for_recall_at_10() -> None:
    found = Measured(queries=9, recall_at_1=1, recall_at_10=0.8, recall_at_100=0.5, p50_ms=1, p95_ms=2)
    index = VectorIndex(modality=Modality.IMAGE, kind="IVF8,SQ8", lists=8, probes=2, measured=found)
    refuse_below(0.8, "en", (index,))
    with pytest.raises(IndexRefusedError, match=r"en, image: recall@10 is 0\.800 with 2 of 8 lists"):
        refuse_below(0.81, "en", (index,))


def test_a_file_that_is_gone_from_the_store_is_named(folder: Path, tmp_path: Path) -> None:
    store = DyingStore(DirectoryStore(folder), dies_after=-1)
    next((folder / "index").rglob("text.npy")).unlink()
    with pytest.raises(ObjectMissingError, match=r"text\.npy"):
        open_index(store, tmp_path / "open")


def _restate(folder: Path, path: Path, digest: str) -> None:
    """Lets the manifest say the checksum that a file has now."""
    key, size = path.relative_to(folder).as_posix(), path.stat().st_size

    def change(version: IndexVersion) -> IndexVersion:
        segments = tuple(
            msgspec.structs.replace(
                one,
                files=tuple(
                    msgspec.structs.replace(file, sha256=digest, bytes=size) if file.path == key else file
                    for file in one.files
                ),
            )
            for one in version.segments
        )
        return msgspec.structs.replace(version, segments=segments)

    republished(folder, change)
