"""An index over its life: built, added to, removed from, compacted, swept."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pairmill.dataset.reader import Dataset
from pairmill.errors import ConfigurationError
from pairmill.idarrays import Words, words_of
from pairmill.store.directory import DirectoryStore
from pairmill_index.add import add_samples
from pairmill_index.build import build_index
from pairmill_index.compact import compact
from pairmill_index.manifest import EXACT, IndexVersion, Modality
from pairmill_index.opened import OpenIndex, open_index
from pairmill_index.options import BuildOptions
from pairmill_index.publish import current_of
from pairmill_index.remove import ids_of_urls, remove_samples
from pairmill_index.sweep import sweep
from tests.fakes.vector_dataset import VectorDataset, samples

ROWS = 1200


@pytest.fixture
def world(tmp_path: Path) -> VectorDataset:
    made = VectorDataset(tmp_path / "dataset", dimensions=16, shard_rows=500)
    made.folder.mkdir()
    made.add(ROWS)
    return made


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def built(world: VectorDataset, scratch: Path, options: BuildOptions | None = None) -> IndexVersion:
    store = DirectoryStore(world.folder)
    return build_index(Dataset.open(world.folder), store, options or BuildOptions(), scratch=scratch)


def opened(world: VectorDataset, scratch: Path) -> OpenIndex:
    return open_index(DirectoryStore(world.folder), scratch / "open")


def found_ids(index: OpenIndex) -> Words:
    """All ids that count, sorted."""
    ids = np.concatenate([segment.ids[segment.alive] for segment in index.segments])
    return ids[np.lexsort((ids[:, 1], ids[:, 0]))]


def ordered(ids: Words) -> Words:
    return ids[np.lexsort((ids[:, 1], ids[:, 0]))]


def test_a_build_holds_each_sample_once_with_its_columns_and_vectors(
    world: VectorDataset, scratch: Path
) -> None:
    world.publish()
    built(world, scratch)
    with opened(world, scratch) as index:
        assert np.array_equal(found_ids(index), ordered(world.ids))
        for segment in index.segments:
            expected = samples(np.ascontiguousarray(segment.ids), segment.segment.bucket, version=1)
            assert segment.table["url"].to_pylist() == expected["URL"].to_pylist()
            assert segment.table["verdict"].to_pylist() == expected["verdict"].to_pylist()
            assert segment.table["similarity"].to_pylist() == expected["similarity"].to_pylist()
            assert segment.table["fetched_at"].null_count == 0
            assert np.array_equal(words_of(segment.table["sample_id"].combine_chunks()), segment.ids)
            own = segment.vectors(Modality.IMAGE)[:5].astype(np.float32)
            assert segment.search(Modality.IMAGE, own, 1)[1][:, 0].tolist() == [0, 1, 2, 3, 4]
            beside = segment.vectors(Modality.TEXT)[:5].astype(np.float32)
            assert (segment.search(Modality.IMAGE, beside, 1)[0][:, 0] > 0.7).all()
    assert list(scratch.glob("index-*")) == []


def test_memory_bounds_the_ranges_and_not_the_result(world: VectorDataset, scratch: Path) -> None:
    world.publish()
    roomy = built(world, scratch)
    tight = built(world, scratch, BuildOptions(memory_bytes=1_000_000))
    for one, other in zip(roomy.segments, tight.segments, strict=True):
        plain = {file.path.rsplit("/", 1)[1]: file.sha256 for file in one.files}
        assert plain == {file.path.rsplit("/", 1)[1]: file.sha256 for file in other.files}


def test_only_kept_leaves_out_the_others(world: VectorDataset, scratch: Path) -> None:
    world.publish()
    built(world, scratch, BuildOptions(only_kept=True))
    with opened(world, scratch) as index:
        assert 0 < index.manifest.rows < ROWS
        assert {word for one in index.segments for word in one.table["verdict"].to_pylist()} == {"kept"}


def test_a_second_build_of_the_same_returns_what_serves(world: VectorDataset, scratch: Path) -> None:
    world.publish()
    first = built(world, scratch)
    assert built(world, scratch) == first


def test_added_samples_are_found_and_old_columns_follow_the_new_version(
    world: VectorDataset, scratch: Path
) -> None:
    world.publish()
    before = built(world, scratch)
    world.add(300)
    after = add_samples(world.publish(), DirectoryStore(world.folder), scratch=scratch)
    assert after.rows == ROWS + 300
    old = {file.path: file.sha256 for one in before.segments for file in one.files}
    kept = [file for one in after.segments for file in one.files if file.path in old]
    assert {file.path.rsplit("/", 1)[1] for file in kept} == {"ids.npy", "image.npy", "text.npy"}
    with opened(world, scratch) as index:
        assert np.array_equal(found_ids(index), ordered(world.ids))
        for segment in index.segments:
            expected = samples(np.ascontiguousarray(segment.ids), segment.segment.bucket, version=2)
            assert segment.table["verdict"].to_pylist() == expected["verdict"].to_pylist()
            assert set(segment.table["data_file"].to_pylist()) <= {
                entry.path for entry in Dataset.open(world.folder).files("samples")
            }


def test_a_sample_that_left_the_dataset_is_not_found_any_more(world: VectorDataset, scratch: Path) -> None:
    world.publish()
    built(world, scratch)
    gone = world.ids[:40]
    after = add_samples(world.publish(without=gone), DirectoryStore(world.folder), scratch=scratch)
    assert sum(one.gone_rows for one in after.segments) == 40
    with opened(world, scratch) as index:
        assert np.array_equal(found_ids(index), ordered(world.ids[40:]))
        assert all((one.find(gone) == -1).all() for one in index.segments)


def test_nothing_to_add_leaves_the_version(world: VectorDataset, scratch: Path) -> None:
    dataset = world.publish()
    before = built(world, scratch)
    assert add_samples(dataset, DirectoryStore(world.folder), scratch=scratch) == before


def test_samples_that_come_to_be_kept_are_added_to_an_index_of_kept_ones(
    world: VectorDataset, scratch: Path
) -> None:
    world.publish()
    built(world, scratch, BuildOptions(only_kept=True))
    dataset = world.publish()
    add_samples(dataset, DirectoryStore(world.folder), scratch=scratch)
    kept = sum(batch.column("verdict").to_pylist().count("kept") for batch in dataset.samples(["verdict"]))
    with opened(world, scratch) as index:
        assert len(found_ids(index)) == kept
        alive = [one.table["verdict"].filter(one.alive).to_pylist() for one in index.segments]
        assert {word for words in alive for word in words} == {"kept"}


def test_g8_removed_samples_are_found_by_nothing_and_stay_removed(
    world: VectorDataset, scratch: Path
) -> None:
    world.publish()
    store = DirectoryStore(world.folder)
    built(world, scratch)
    with opened(world, scratch) as index:
        segment = index.segments[0]
        gone = np.array(segment.ids[:3])
        vectors = segment.vectors(Modality.IMAGE)[:3].astype(np.float32)
    version = remove_samples(store, gone, scratch=scratch)
    assert version.removed_rows == 3
    with opened(world, scratch) as index:
        segment = index.segments[0]
        assert (segment.find(gone) == -1).all()
        assert not {0, 1, 2} & set(segment.search(Modality.IMAGE, vectors, 50)[1].ravel().tolist())
        everything = np.ones(segment.rows, dtype=np.bool_)
        assert not {0, 1, 2} & set(segment.search(Modality.IMAGE, vectors, 50, mask=everything)[1].ravel())
    world.add(10)
    add_samples(world.publish(), store, scratch=scratch)
    built(world, scratch, BuildOptions(min_recall=0.8))
    with opened(world, scratch) as index:
        assert np.array_equal(found_ids(index), ordered(world.ids)[~_among(ordered(world.ids), gone)])
        assert index.manifest.removed_rows == 0
        assert index.manifest.removed is not None


def test_g8_a_compaction_and_a_sweep_leave_nothing_of_a_removed_sample(
    world: VectorDataset, scratch: Path
) -> None:
    world.publish()
    store = DirectoryStore(world.folder)
    built(world, scratch)
    with opened(world, scratch) as index:
        segment = index.segments[0]
        gone, url = np.array(segment.ids[:1]), segment.table["url"][0].as_py()
        vector = segment.vectors(Modality.IMAGE)[0].tobytes()
    by_url = ids_of_urls(store, [url, "https://a.example/none.jpg"], scratch=scratch)
    assert {one: ids.tolist() for one, ids in by_url.items()} == {
        url: gone.tolist(),
        "https://a.example/none.jpg": [],
    }
    remove_samples(store, gone, scratch=scratch)
    version = compact(store, scratch=scratch)
    assert (version.rows, version.removed_rows) == (ROWS - 1, 0)
    sweep(store, keep=1, grace=timedelta(0))
    stored = [
        path.read_bytes() for path in (world.folder / "index" / "segments").rglob("*") if path.is_file()
    ]
    assert stored
    assert not any(url.encode() in data or vector in data for data in stored)


def test_g8_a_build_writes_no_word_of_a_removed_sample(world: VectorDataset, scratch: Path) -> None:
    world.publish()
    store = DirectoryStore(world.folder)
    built(world, scratch)
    host = "host7.example"
    with opened(world, scratch) as index:
        is_there = [
            np.array([one == host for one in segment.table["host"].to_pylist()]) for segment in index.segments
        ]
        gone = np.concatenate(
            [segment.ids[own] for segment, own in zip(index.segments, is_there, strict=True)]
        )
    assert len(gone) > 3
    remove_samples(store, gone, scratch=scratch)
    built(world, scratch)
    sweep(store, keep=1, grace=timedelta(0))
    tables = [path.read_bytes() for path in (world.folder / "index" / "segments").rglob("rows.arrow")]
    assert all(b"host8.example" in data for data in tables)
    assert not any(host.encode() in data for data in tables)


def test_a_compaction_merges_what_was_added(world: VectorDataset, scratch: Path) -> None:
    world.publish()
    store = DirectoryStore(world.folder)
    built(world, scratch)
    for _ in range(2):
        world.add(100)
        add_samples(world.publish(without=world.ids[:7]), store, scratch=scratch)
    version = compact(store, scratch=scratch, full=True)
    assert [one.bucket for one in version.segments] == ["en", "multi", "nolang"]
    assert all(index.kind == EXACT for one in version.segments for index in one.indices)
    with opened(world, scratch) as index:
        assert all(segment.alive.all() for segment in index.segments)
        assert np.array_equal(found_ids(index), ordered(world.ids[7:]))
        for segment in index.segments:
            expected = samples(np.ascontiguousarray(segment.ids), segment.segment.bucket, version=3)
            assert segment.table["verdict"].to_pylist() == expected["verdict"].to_pylist()
    assert compact(store, scratch=scratch, full=True) == version


def test_a_sweep_deletes_what_old_versions_alone_need(world: VectorDataset, scratch: Path) -> None:
    world.publish()
    store = DirectoryStore(world.folder)
    built(world, scratch)
    world.add(50)
    add_samples(world.publish(), store, scratch=scratch)
    latest = compact(store, scratch=scratch, full=True)
    assert sweep(store, keep=1).versions == ()  # replaced a moment ago
    swept = sweep(store, keep=1, grace=timedelta(0))
    assert len(swept.versions) == 2
    assert swept.files > 0
    assert current_of(store).past == ()
    left = {one.key for one in store.list("index/segments/")}
    assert left == {file.path for one in latest.segments for file in one.files}
    assert sweep(store, keep=1, grace=timedelta(0)).files == 0


def test_vectors_of_another_model_are_not_added(world: VectorDataset, scratch: Path, tmp_path: Path) -> None:
    world.publish()
    built(world, scratch)
    other = VectorDataset(tmp_path / "other", dimensions=8, shard_rows=500)
    other.folder.mkdir()
    other.add(10)
    with pytest.raises(ConfigurationError, match="8 dimensions"):
        add_samples(other.publish(), DirectoryStore(world.folder), scratch=scratch)


def _among(ids: Words, some: Words) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.array([one in some.tolist() for one in ids.tolist()], dtype=np.bool_)


def test_a_copy_without_the_checksums_of_the_store_is_searched_and_built_like_the_folder(
    world: VectorDataset, scratch: Path, tmp_path: Path
) -> None:
    world.publish()
    built(world, scratch)
    store = DirectoryStore(world.folder)
    with opened(world, scratch) as index:
        gone = found_ids(index)[:7]
    remove_samples(store, gone, scratch=scratch)
    copied = tmp_path / "copy"
    shutil.copytree(world.folder, copied, ignore=shutil.ignore_patterns(".checksums"))
    with opened(world, scratch) as there, open_index(DirectoryStore(copied), scratch / "copy") as here:
        assert np.array_equal(found_ids(here), found_ids(there))
        assert len(found_ids(here)) == ROWS - 7
    options = BuildOptions(min_recall=0.8)
    build_index(Dataset.open(copied), DirectoryStore(copied), options, scratch=scratch)
    with open_index(DirectoryStore(copied), scratch / "copy") as built_anew:
        assert len(found_ids(built_anew)) == ROWS - 7
