"""All stages in one: reads the work topics of a bus, carries units out by a few lines each."""

from __future__ import annotations

from pathlib import Path

from pairmill.bus.port import Bus, TopicPartition
from pairmill.ledger.barriers import follow_ups
from pairmill.stage.messages import ledger_message, task_message
from pairmill.store.port import ObjectStore
from pairmill.units import STAGE_TOPICS
from pairmill_protos.unit.v1.unit_pb2 import LedgerRecord, ObjectRef, Stage, UnitTask
from tests.fakes.dataset import Builder


class BusStages:
    """Works for one job. A unit is carried out once, however often its task is delivered."""

    def __init__(
        self, bus: Bus, store: ObjectStore, builder: Builder, folder: Path, dataset: str = ""
    ) -> None:
        """`store` is that of the job's dataset, which lies in the folder `dataset`."""
        self._dataset = dataset
        self.idle_stages: set[Stage.ValueType] = set()  # that do not work
        self._bus = bus
        self._store = store
        self._builder = builder
        self._folder = folder
        self._copied: set[Path] = set()
        self._positions: dict[TopicPartition, int] = {}
        self.done: dict[str, LedgerRecord] = {}
        self._copy_new()

    def step(self) -> int:
        """Carries out all units whose tasks arrived; returns how many there were."""
        worked = 0
        for stage, topics in STAGE_TOPICS.items():
            for topic in topics if stage != Stage.STAGE_INDEX else ():  # those are no units
                for partition in range(self._bus.partitions(topic)):
                    worked += self._read(TopicPartition(topic, partition))
        return worked

    def _read(self, source: TopicPartition) -> int:
        position = self._positions.get(source, 0)
        if self._bus.end_offset(source) < position:
            position = 0  # the topic was made anew
        messages = self._bus.read(source, start=position, max_records=1000)
        for message in messages:
            task = UnitTask.FromString(message.value)
            if task.stage in self.idle_stages:
                break
            self._positions[source] = message.offset + 1
            if task.job_id == self._builder.spec.job_id and task.unit_id not in self.done:
                assert task.dataset == self._dataset
                self._work(task)
        return len(messages)

    def _work(self, task: UnitTask) -> None:
        record = self._builder.carry_out(task)
        self.done[task.unit_id] = record
        self._copy_new()
        followers = follow_ups(record.done, self._load)
        self._bus.publish(
            [task_message(self._bus, child, self._builder.spec, self._dataset) for child in followers]
        )
        self._bus.publish([ledger_message(self._bus, task.job_id, record)])

    def _load(self, ref: ObjectRef) -> bytes:
        return self._store.get(ref.key)

    def _copy_new(self) -> None:
        for path in sorted(self._folder.rglob("*")):
            if path.is_file() and path not in self._copied:
                self._store.put_file(path.relative_to(self._folder).as_posix(), path)
                self._copied.add(path)
