"""Asks for the index of what was finished, again after growing waits, until it is there.

An index is a view outside the walk: no job waits for one, and any number of tasks for one does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from pairmill.bus.port import Bus, Outgoing
from pairmill.clock import Clock
from pairmill.dataset import roles
from pairmill.dataset.manifest import MANIFEST_NAME
from pairmill.dataset.manifest_files import manifest_in
from pairmill.dataset.source import UNREADABLE, DatasetFiles
from pairmill.store.port import ObjectStore
from pairmill.units import STAGE_TOPICS, key_partition
from pairmill_gateway.book import JobEntry
from pairmill_gateway.job_records import indexed_message
from pairmill_index.catalogue import note_indexed
from pairmill_index.manifest import IndexVersion
from pairmill_index.publish import current_or_none, read_version
from pairmill_protos.index.v1.index_pb2 import IndexOptions, IndexTask
from pairmill_protos.job.v1.job_pb2 import JobIndexed
from pairmill_protos.unit.v1.unit_pb2 import Stage

log = structlog.get_logger(__name__)

FIRST_WAIT_SECONDS: Final = 120.0
LONGEST_WAIT_SECONDS: Final = 86_400.0
FIRST_LOOK_SECONDS: Final = 2.0
LONGEST_LOOK_SECONDS: Final = 300.0
_DOUBLINGS: Final = 20


class Datasets(Protocol):
    """Where the datasets of jobs are."""

    @property
    def store(self) -> ObjectStore:
        """The store that holds all of them."""
        ...

    def store_of(self, entry: JobEntry) -> ObjectStore:
        """Returns the store that the keys of a job belong to."""
        ...

    def files_of(self, entry: JobEntry) -> DatasetFiles:
        """Returns read access to a job's dataset."""
        ...


@dataclass(slots=True)
class _Wait:
    """When a job's dataset is looked at next, and when its index is asked for next."""

    look_at: float = 0.0
    ask_at: float = 0.0
    looks: int = 0
    tasks: int = 0


class Indexing:
    """Looks at the datasets of jobs that have ended. `due` is for the loop's thread, `look` for any one."""

    def __init__(
        self,
        bus: Bus,
        datasets: Datasets,
        clock: Clock,
        options: IndexOptions,
        show: Callable[[int], None] = lambda jobs: None,
    ) -> None:
        """`show` hears how many jobs wait for their index."""
        self._bus = bus
        self._datasets = datasets
        self._clock = clock
        self._options = options
        self._show = show
        self._waits: dict[str, _Wait] = {}

    def due(self, entries: Iterable[JobEntry], partitions: Collection[int]) -> list[JobEntry]:
        """Returns the jobs of these ledger partitions whose dataset is to be looked at now."""
        waiting = [entry for entry in entries if is_wanted(entry, partitions)]
        self._waits = {entry.job_id: self._waits.get(entry.job_id, _Wait()) for entry in waiting}
        self._show(len(waiting))
        now = self._clock.monotonic()
        return [entry for entry in waiting if self._waits[entry.job_id].look_at <= now]

    def look(self, entry: JobEntry) -> None:
        """Notes that a job's index is there, or asks for it if it is time; raises RetriableError."""
        wait, now = self._waits.get(entry.job_id) or _Wait(), self._clock.monotonic()
        wait.look_at = now + _grown(FIRST_LOOK_SECONDS, wait.looks, LONGEST_LOOK_SECONDS)
        wait.looks += 1
        try:
            wanted = wanted_index(self._datasets, entry)
        except UNREADABLE as error:
            log.warning("dataset_not_readable", job=entry.job_id, error=f"{type(error).__name__}: {error}")
            return
        if wanted.is_there:
            if wanted.index_version:
                note_indexed(self._datasets.store, entry.admitted.dataset)  # it may have been built by hand
            record = JobIndexed(job_id=entry.job_id, index_version=wanted.index_version)
            self._bus.publish([indexed_message(self._bus, record)])
            log.info("job_indexed", job=entry.job_id, index_version=wanted.index_version)
        elif now >= wait.ask_at:
            self._bus.publish([self._task_message(entry, wanted.dataset_version)])
            wait.ask_at = now + _grown(FIRST_WAIT_SECONDS, wait.tasks, LONGEST_WAIT_SECONDS)
            wait.tasks += 1
            log.info("index_asked_for", job=entry.job_id, dataset=entry.admitted.dataset)

    def _task_message(self, entry: JobEntry, dataset_version: str) -> Outgoing:
        (topic,) = STAGE_TOPICS[Stage.STAGE_INDEX]
        dataset = entry.admitted.dataset
        task = IndexTask(
            job_id=entry.job_id, dataset=dataset, dataset_version=dataset_version, options=self._options
        )
        key = dataset.encode()  # tasks of one dataset stand in order
        return Outgoing(
            topic=topic,
            partition=key_partition(key, self._bus.partitions(topic)),
            key=key,
            value=task.SerializeToString(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedIndex:
    """What a job's dataset lacks."""

    dataset_version: str = ""
    is_there: bool
    index_version: str = ""  # empty where none is needed


def wanted_index(datasets: Datasets, entry: JobEntry) -> WantedIndex:
    """Returns whether a job's dataset has the index that it should have.

    None is needed where the dataset is gone, a later job made another version of it, or it has no
    embeddings. Raises what reading a dataset raises (`pairmill.dataset.source.UNREADABLE`).
    """
    store = datasets.store_of(entry)
    if store.stat(MANIFEST_NAME) is None:
        return WantedIndex(is_there=True)
    manifest = manifest_in(datasets.files_of(entry), MANIFEST_NAME)
    version = manifest.manifest.version
    if manifest.manifest.job_id != entry.job_id or not any(manifest.files(roles.IMAGE_EMBEDDINGS)):
        return WantedIndex(dataset_version=version, is_there=True)
    served = _served(store)
    if served is None or served.dataset_version != version:
        return WantedIndex(dataset_version=version, is_there=False)
    return WantedIndex(dataset_version=version, is_there=True, index_version=served.version())


def _served(store: ObjectStore) -> IndexVersion | None:
    """Returns the version of an index that serves; one that is damaged does not."""
    try:
        current = current_or_none(store)
        return read_version(store, current) if current is not None else None
    except UNREADABLE:
        return None


def _grown(first: float, times: int, longest: float) -> float:
    """Returns a wait that doubles each time."""
    return min(first * (1 << min(times, _DOUBLINGS)), longest)


def is_wanted(entry: JobEntry, partitions: Collection[int]) -> bool:
    """Whether a job has left a dataset whose index is not known to be there."""
    ended = entry.ended
    if ended is None or entry.indexed:
        return False
    return entry.admitted.ledger_partition in partitions
