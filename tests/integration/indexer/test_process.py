"""The indexer as a process over the embedded bus and a folder: killed, stopped, its child killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from pairmill.bus.port import TopicPartition
from pairmill.bus.sqlite import SqliteBus
from pairmill.bus.topics import create_topics
from pairmill.stage.datasets import dataset_store
from pairmill.store.directory import DirectoryStore
from pairmill.units import DEAD_LETTERS_TOPIC
from pairmill_index.catalogue import indexed_datasets
from pairmill_index.manifest import IndexVersion
from pairmill_indexer.change import served_version
from pairmill_indexer.tasks import GROUP
from tests.fakes.indexing import TOPIC, index_task, publish_task
from tests.fakes.processes import Child, has_ended, wait_until
from tests.fakes.vector_dataset import VectorDataset

SECONDS = 60.0
DATASET = "job"


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[SqliteBus]:
    with SqliteBus(tmp_path / "bus.db") as made:
        create_topics(made, 1)
        yield made


@pytest.fixture
def dataset(tmp_path: Path) -> VectorDataset:
    folder = tmp_path / "out" / DATASET
    folder.mkdir(parents=True)
    made = VectorDataset(folder, dimensions=16, shard_rows=500)
    made.add(2000)
    made.publish()
    return made


@contextmanager
def indexer(folder: Path, **more: str) -> Iterator[Child]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PAIRMILL_")}
    env |= {
        "PAIRMILL_BUS_URL": f"sqlite:///{folder}/bus.db",
        "PAIRMILL_STORE_URL": f"file:///{folder}/out",
        "PAIRMILL_MEMBER": "indexer",
        "PAIRMILL_SCRATCH": str(folder / "scratch"),
        "PAIRMILL_MEMORY_BYTES": str(64 * 2**20),
        **more,
    }
    with Child("pairmill_indexer", env=env) as child:
        yield child


def kill_when(folder: Path, has_come_so_far: Callable[[], bool]) -> None:
    """Starts an indexer and kills it once it builds and something is so; its build ends with it."""
    with indexer(folder) as process:
        wait_until(lambda: bool(builds_of(process)), seconds=SECONDS)
        build = builds_of(process)[0]
        wait_until(has_come_so_far, seconds=SECONDS)
        process.kill()
        wait_until(lambda: has_ended(build.pid))


def served(dataset: VectorDataset) -> IndexVersion | None:
    return served_version(dataset_store(DirectoryStore(dataset.folder.parent), DATASET))


def is_committed(bus: SqliteBus) -> bool:
    source = TopicPartition(TOPIC, 0)
    return bus.committed(GROUP, source) == bus.end_offset(source)


def builds_of(child: Child) -> list[psutil.Process]:
    """The build's process, once there is one; a helper of the interpreter is none."""
    children = psutil.Process(child.pid).children()
    return [each for each in children if "spawn_main" in " ".join(each.cmdline())]


def segments_on_disk(dataset: VectorDataset) -> set[str]:
    return {path.relative_to(dataset.folder).as_posix() for path in dataset.folder.glob("index/segments/*/*")}


def test_a_task_becomes_an_index_and_a_stop_ends_with_0(
    tmp_path: Path, bus: SqliteBus, dataset: VectorDataset
) -> None:
    publish_task(bus, index_task(DATASET))
    with indexer(tmp_path) as process:
        wait_until(lambda: is_committed(bus), seconds=SECONDS)
        found = served(dataset)
        assert found is not None
        assert found.rows == 2000
        assert found.options.memory_bytes == 64 * 2**20
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    assert indexed_datasets(DirectoryStore(tmp_path / "out")) == [DATASET]
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a1_h1_an_indexer_killed_in_a_build_leaves_one_index(
    tmp_path: Path, bus: SqliteBus, dataset: VectorDataset
) -> None:
    """Its build dies with it; the next one ends what was begun, and nothing is left over."""
    publish_task(bus, index_task(DATASET))
    kill_when(tmp_path, lambda: True)
    kill_when(tmp_path, lambda: any(dataset.folder.glob("index/pending/*")) or is_committed(bus))
    with indexer(tmp_path):
        wait_until(lambda: is_committed(bus), seconds=SECONDS)
    found = served(dataset)
    assert found is not None
    assert found.rows == 2000
    assert {file.path for segment in found.segments for file in segment.files} == segments_on_disk(dataset)
    assert len(list(dataset.folder.glob("index/versions/*.json"))) == 1


@pytest.mark.long
def test_a3_a_stop_in_a_build_ends_with_0_and_the_task_is_delivered_again(
    tmp_path: Path, bus: SqliteBus, dataset: VectorDataset
) -> None:
    publish_task(bus, index_task(DATASET))
    with indexer(tmp_path) as process:
        wait_until(lambda: bool(builds_of(process)), seconds=SECONDS)
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    assert not is_committed(bus)
    with indexer(tmp_path):
        wait_until(lambda: is_committed(bus), seconds=SECONDS)
    assert served(dataset) is not None


def test_a7_a_build_that_is_killed_is_begun_anew_by_the_same_member(
    tmp_path: Path, bus: SqliteBus, dataset: VectorDataset
) -> None:
    publish_task(bus, index_task(DATASET))
    with indexer(tmp_path) as process:
        wait_until(lambda: bool(builds_of(process)), seconds=SECONDS)
        builds_of(process)[0].kill()
        wait_until(lambda: is_committed(bus), seconds=SECONDS)
        assert process.running
    assert served(dataset) is not None
    assert bus.read(TopicPartition(DEAD_LETTERS_TOPIC, 0), start=0, max_records=10) == []


@pytest.mark.long
def test_h1_a_dataset_that_is_cut_is_set_aside_and_the_old_version_serves(
    tmp_path: Path, bus: SqliteBus, dataset: VectorDataset
) -> None:
    publish_task(bus, index_task(DATASET))
    with indexer(tmp_path):
        wait_until(lambda: is_committed(bus), seconds=SECONDS)
        before = served(dataset)
        dataset.add(500)
        dataset.publish()
        for path in dataset.folder.glob("embeddings/img_emb/*.npy"):
            path.write_bytes(path.read_bytes()[:-64])
        publish_task(bus, index_task(DATASET, "v2"))
        wait_until(lambda: is_committed(bus), seconds=SECONDS)
    (letter,) = bus.read(TopicPartition(DEAD_LETTERS_TOPIC, 0), start=0, max_records=10)
    assert dict(letter.headers)["dlq-reason"] == b"corrupt_object"
    assert served(dataset) == before
