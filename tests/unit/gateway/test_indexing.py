"""The gateway asks for the index of what was finished, until it is there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pairmill.bus.topics import create_topics
from pairmill.dataset import roles
from pairmill.dataset.manifest import MANIFEST_NAME, FileEntry, Manifest, new_manifest
from pairmill.dataset.source import DatasetFiles
from pairmill.stage.datasets import dataset_store
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectStore
from pairmill.units import JOBS_TOPIC
from pairmill_gateway.book import Book, JobEntry
from pairmill_gateway.indexing import FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, Indexing
from pairmill_gateway.job_records import JobFact, admitted_message, end_message, job_key
from pairmill_gateway.workshop import dataset_files
from pairmill_index.catalogue import indexed_datasets
from pairmill_index.layout import CURRENT
from pairmill_index.manifest import IndexVersion
from pairmill_index.publish import publish
from pairmill_protos.index.v1.index_pb2 import IndexOptions, IndexTask
from pairmill_protos.job.v1.job_pb2 import JobAdmitted, JobEnded, JobIndexed, JobSpec
from tests.fakes.bus import MemoryBus
from tests.fakes.clock import ManualClock
from tests.fakes.cluster import ALL, Cluster
from tests.fakes.indexing import TOPIC

JOB = "j1"
LONG = 3 * LONGEST_WAIT_SECONDS
EMBEDDINGS = FileEntry(
    path="embeddings/x.npy", role=roles.IMAGE_EMBEDDINGS, rows=3, bytes=1, sha256="ab" * 32
)


@dataclass
class Place:
    """A bus, and a store with the dataset of one job that has ended."""

    folder: Path
    bus: MemoryBus
    clock: ManualClock
    store: ObjectStore

    def store_of(self, entry: JobEntry) -> ObjectStore:
        return dataset_store(self.store, entry.admitted.dataset)

    def files_of(self, entry: JobEntry) -> DatasetFiles:
        return dataset_files(f"file://{self.folder}", self.store, entry.admitted.dataset)

    @property
    def dataset(self) -> ObjectStore:
        return dataset_store(self.store, JOB)

    def finish(self, job: str = JOB, *files: FileEntry, state: str = "complete") -> Manifest:
        """Writes a version of the dataset."""
        manifest = new_manifest(spec=JobSpec(job_id=job), state=state, why=(), funnel=(), files=list(files))
        self.dataset.put(MANIFEST_NAME, manifest.to_json())
        return manifest

    def announce(self, state: str = "complete") -> None:
        """Publishes that the job was admitted and has ended."""
        admitted = JobAdmitted(job_id=JOB, dataset=JOB)
        ended = JobEnded(job_id=JOB, state=state)
        self.bus.publish([admitted_message(self.bus, admitted), end_message(self.bus, ended)])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    bus = MemoryBus()
    create_topics(bus, 2)
    made = Place(tmp_path, bus, ManualClock(), DirectoryStore(tmp_path))
    made.finish(JOB, EMBEDDINGS)
    made.announce()
    return made


class Asking:
    """Who asks for indices, as part of a gateway that was just started; turned by hand."""

    def __init__(self, place: Place, owned: frozenset[int] = ALL) -> None:
        self._clock, self._book, self._owned = place.clock, Book(place.bus), owned
        self.waiting: list[int] = []
        options = IndexOptions(min_recall=0.8)
        self._indexing = Indexing(place.bus, place, place.clock, options, self.waiting.append)
        self.after(0.0)

    def after(self, seconds: float) -> None:
        """Lets time pass and takes a turn."""
        self._clock.sleep(seconds)
        self._book.catch_up()
        for entry in self._indexing.due(self._book.entries(), self._owned):
            self._indexing.look(entry)


def tasks(bus: MemoryBus) -> list[IndexTask]:
    return [IndexTask.FromString(message.value) for message in bus.messages(TOPIC)]


def noted(bus: MemoryBus, job: str = JOB) -> list[str]:
    """The versions of indices that are noted for a job."""
    key = job_key(job, JobFact.INDEXED)
    found = [message for message in bus.messages(JOBS_TOPIC) if message.key == key]
    return [JobIndexed.FromString(message.value).index_version for message in found]


def index(store: ObjectStore, dataset_version: str) -> str:
    """Lets an index of a version serve."""
    version = IndexVersion(
        dataset_version=dataset_version, bundle_digest="", model="", dimensions=4, segments=()
    )
    publish(store, version, None)
    return version.version()


def test_a_finished_dataset_is_asked_for_and_noted_when_its_index_is_there(place: Place) -> None:
    asking = Asking(place)
    (task,) = tasks(place.bus)
    assert (task.job_id, task.dataset) == (JOB, JOB)
    assert task.options.min_recall == pytest.approx(0.8)
    assert (noted(place.bus), asking.waiting) == ([], [1])
    version = index(place.dataset, task.dataset_version)
    asking.after(FIRST_WAIT_SECONDS)
    assert noted(place.bus) == [version]
    assert indexed_datasets(place.store) == [JOB], "an explorer finds it, whoever built it"
    asking.after(LONG)
    assert (len(tasks(place.bus)), len(noted(place.bus)), asking.waiting[-1]) == (1, 1, 0)


def test_a13_a_task_that_was_lost_comes_again_after_growing_waits(place: Place) -> None:
    asking = Asking(place)
    for wait, count in ((0.9, 1), (0.2, 2), (1.5, 2), (0.6, 3)):
        asking.after(wait * FIRST_WAIT_SECONDS)
        assert len(tasks(place.bus)) == count
    for _ in range(12):
        asking.after(LONGEST_WAIT_SECONDS)
    before = len(tasks(place.bus))
    for _ in range(3):
        asking.after(LONGEST_WAIT_SECONDS)
    assert len(tasks(place.bus)) == before + 3, "once a day, and never given up"
    assert len({task.SerializeToString() for task in tasks(place.bus)}) == 1


def test_a_gateway_that_starts_anew_does_not_look_at_jobs_that_have_their_index(place: Place) -> None:
    asking = Asking(place)
    index(place.dataset, tasks(place.bus)[0].dataset_version)
    asking.after(FIRST_WAIT_SECONDS)
    place.dataset.delete(CURRENT)
    heir = Asking(place)
    heir.after(LONG)
    assert len(tasks(place.bus)) == 1
    assert set(heir.waiting) == {0}


def test_a_gateway_that_starts_anew_goes_on_asking(place: Place) -> None:
    Asking(place)
    heir = Asking(place)
    assert len(tasks(place.bus)) == 2
    assert heir.waiting == [1]


@pytest.mark.parametrize("files", [(), (EMBEDDINGS,)], ids=["a-job", "a-repair"])
def test_of_a_cancelled_job_what_its_base_left_is_indexed(place: Place, files: tuple[FileEntry, ...]) -> None:
    """A job that was cancelled keeps nothing, a repair the rows of its base."""
    bus = MemoryBus()
    create_topics(bus, 2)
    cancelled = replace(place, bus=bus)
    cancelled.finish(JOB, *files, state="cancelled")
    cancelled.announce(state="cancelled")
    Asking(cancelled)
    assert (len(tasks(bus)), len(noted(bus))) == ((1, 0) if files else (0, 1))


@pytest.mark.parametrize("what", ["replaced", "deleted", "empty"])
def test_what_has_nothing_to_index_is_noted_at_once(place: Place, what: str) -> None:
    """A version that a later job replaced, one that was deleted, one without embeddings."""
    match what:
        case "replaced":
            place.finish("j2", EMBEDDINGS)
        case "deleted":
            place.dataset.delete(MANIFEST_NAME)
        case _:
            place.finish(JOB)
    Asking(place)
    assert noted(place.bus) == [""]
    assert tasks(place.bus) == []


@pytest.mark.parametrize("found", ["older", "damaged"])
def test_h1_an_index_that_is_older_or_damaged_does_not_count(place: Place, found: str) -> None:
    if found == "older":
        index(place.dataset, "older")
    else:
        place.dataset.put(CURRENT, b"{")
    Asking(place).after(1.5 * FIRST_WAIT_SECONDS)
    assert len(tasks(place.bus)) == 2
    assert noted(place.bus) == []


def test_g4_a_dataset_that_cannot_be_read_is_looked_at_again_later(place: Place) -> None:
    asking = Asking(place)
    place.dataset.put(MANIFEST_NAME, b"{")
    asking.after(FIRST_WAIT_SECONDS)
    assert (len(tasks(place.bus)), noted(place.bus)) == (1, [])
    place.finish(JOB, EMBEDDINGS)
    asking.after(LONG)
    assert len(tasks(place.bus)) == 2


def test_a15_only_who_owns_the_ledgers_partition_asks(place: Place) -> None:
    Asking(place, owned=frozenset()).after(LONG)
    assert tasks(place.bus) == []


def test_a_gateway_asks_by_itself_unless_no_indices_are_wanted(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    silent = cluster.gateway()
    job_id = cluster.admit(2)
    cluster.drive(silent)
    cluster.turn(silent)
    assert tasks(cluster.bus) == []
    gateway = cluster.gateway(index_finished=True)
    cluster.drive(gateway, until=lambda: bool(tasks(cluster.bus)))
    index(dataset_store(cluster.store, job_id), tasks(cluster.bus)[0].dataset_version)
    cluster.drive(gateway, until=lambda: bool(noted(cluster.bus, job_id)))
