"""Index tasks, and an indexer's loop run in a thread over a bus in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from pairmill.bus.port import Bus, Outgoing
from pairmill.clock import SystemClock
from pairmill.stage.observer import NullObserver
from pairmill.units import key_partition
from pairmill_index.progress import Progress
from pairmill_indexer.change import Change, Indexed
from pairmill_indexer.loop import TOPICS, IndexLoop, IndexLoopSettings
from pairmill_indexer.ports import Builder
from pairmill_indexer.verdicts import Refusal
from pairmill_protos.index.v1.index_pb2 import IndexOptions, IndexTask

TOPIC: Final = TOPICS[0]
_END_SECONDS: Final = 30.0


def index_task(dataset: str = "", version: str = "v1", job: str = "j1", recall: float = 0.5) -> IndexTask:
    """Returns a task for a dataset."""
    options = IndexOptions(min_recall=recall)
    return IndexTask(job_id=job, dataset=dataset, dataset_version=version, options=options)


def publish_task(bus: Bus, task: IndexTask) -> None:
    """Publishes a task where the gateway does."""
    publish_bytes(bus, task.SerializeToString(), task.dataset.encode())


def publish_bytes(bus: Bus, value: bytes, key: bytes = b"") -> None:
    """Publishes anything."""
    partition = key_partition(key, bus.partitions(TOPIC))
    bus.publish([Outgoing(topic=TOPIC, partition=partition, key=key, value=value)])


@dataclass
class FakeBuilder:
    """Does what it is told to for each dataset, and keeps what it was asked."""

    does: Mapping[str, Callable[[], Indexed]] = field(default_factory=dict)
    asked: list[IndexTask] = field(default_factory=list)
    holds: threading.Event | None = None  # a build waits for it, or for its cut-off
    cut_off: list[str] = field(default_factory=list)

    def build(self, task: IndexTask, cut_off: threading.Event, progress: Progress) -> Indexed:
        from pairmill.errors import CutOffError

        self.asked.append(task)
        progress("reading", 1, 2)
        while self.holds is not None and not self.holds.wait(0.01):
            if cut_off.is_set():
                self.cut_off.append(task.dataset)
                raise CutOffError("told to stop")
        return self.does.get(task.dataset, built)()


def built() -> Indexed:
    """Returns an index that was built."""
    return Indexed(change="built", version="1", dataset_version="v1", rows=1, recall={("en", "image"): 0.97})


@dataclass
class Measures:
    """Keeps what the loop says of itself."""

    changes: list[Change] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    unmerged: list[Refusal] = field(default_factory=list)
    steps: list[tuple[int, int]] = field(default_factory=list)

    def indexed(self, change: Change, seconds: float, recall: Mapping[tuple[str, str], float]) -> None:
        self.changes.append(change)

    def refused(self, reason: Refusal) -> None:
        self.refusals.append(reason)

    def merge_refused(self, reason: Refusal) -> None:
        self.unmerged.append(reason)

    def step(self, done: int, total: int) -> None:
        self.steps.append((done, total))


@contextmanager
def running(
    bus: Bus, builder: Builder, *, member: str = "indexer-0", measures: Measures | None = None
) -> Iterator[IndexLoop]:
    """Runs a loop in a thread; it is told to stop at the end, and has to."""
    loop = IndexLoop(
        IndexLoopSettings(member=member, poll_seconds=0.05, stop_seconds=5.0),
        builder,
        bus=bus,
        clock=SystemClock(),
        stage=NullObserver(),
        observer=measures or Measures(),
    )
    thread = threading.Thread(target=loop.run, name=member)
    thread.start()
    try:
        yield loop
    finally:
        loop.request_stop()
        thread.join(_END_SECONDS)
        assert not thread.is_alive(), "the loop did not stop"
