"""An index over its life in a bucket of a real server, which writes on conditions."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.local.s3 import S3Server
from pairmill.dataset.reader import Dataset
from pairmill.store.conditional import conditional_puts
from pairmill.store.s3 import S3Store
from pairmill.store.settings import S3Config
from pairmill_index.add import add_samples
from pairmill_index.build import build_index
from pairmill_index.check import check_index
from pairmill_index.compact import compact
from pairmill_index.options import BuildOptions
from pairmill_index.pending import pending_notes
from pairmill_index.publish import current_of
from pairmill_index.remove import remove_samples
from pairmill_index.sweep import sweep
from tests.fakes.vector_dataset import VectorDataset


@pytest.fixture
def store(s3_server: S3Server) -> Iterator[S3Store]:
    name = f"index-{secrets.token_hex(6)}"
    s3_server.make_bucket(name)
    config = S3Config(endpoint=s3_server.endpoint, credentials_file=s3_server.credentials_file)
    with S3Store(name, "datasets/one", config) as opened:
        assert conditional_puts(opened) is opened
        yield opened


@pytest.fixture
def world(tmp_path: Path) -> VectorDataset:
    made = VectorDataset(tmp_path / "dataset", dimensions=8, buckets=("en",))
    made.folder.mkdir()
    made.add(200)
    return made


def published(world: VectorDataset, store: S3Store) -> Dataset:
    """Publishes a version of the dataset and copies it into the bucket."""
    world.publish()
    for path in (path for path in world.folder.rglob("*") if path.is_file()):
        store.put_file(path.relative_to(world.folder).as_posix(), path)
    return Dataset.open(store)


def test_an_index_is_built_changed_and_swept_in_a_bucket(
    world: VectorDataset, store: S3Store, tmp_path: Path
) -> None:
    build_index(published(world, store), store, BuildOptions(), scratch=tmp_path)
    world.add(50)
    add_samples(published(world, store), store, scratch=tmp_path)
    remove_samples(store, world.ids[:3], scratch=tmp_path)
    version = compact(store, scratch=tmp_path, full=True)
    assert sweep(store, keep=1, grace=timedelta(0)).files > 0
    assert (current_of(store).version, version.samples) == (version.version(), 247)
    left = {one.key for one in store.list("index/segments/")}
    assert left == {file.path for one in version.segments for file in one.files}
    assert check_index(store, tmp_path / "open").findings == []


def test_g8_a_takedown_in_the_last_moment_of_a_build_in_a_bucket_is_kept_to(
    world: VectorDataset, store: S3Store, tmp_path: Path
) -> None:
    build_index(published(world, store), store, BuildOptions(), scratch=tmp_path)
    world.add(50)
    taken_down: list[str] = []

    def take_down(step: str, done: int, total: int) -> None:
        if (step, done) == ("publishing", 1) and not taken_down:
            taken_down.append(remove_samples(store, world.ids[:3], scratch=tmp_path / "other").version())

    options = BuildOptions(min_recall=0.5)
    version = build_index(published(world, store), store, options, scratch=tmp_path, progress=take_down)
    current = current_of(store)
    assert [past.version for past in current.past[:1]] == taken_down
    assert (current.version, version.samples, version.removed_rows) == (version.version(), 247, 3)
    assert pending_notes(store) == []
    assert check_index(store, tmp_path / "open").findings == []
