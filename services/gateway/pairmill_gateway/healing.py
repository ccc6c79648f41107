"""Healing: open units whose task got lost are published again, and only those (U5)."""

from __future__ import annotations

from dataclasses import dataclass

from pairmill.bus.port import Bus, TopicPartition
from pairmill.clock import Clock
from pairmill.groups import group_of_job
from pairmill.units import task_partition, task_topic
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import UnitTask


@dataclass(slots=True, kw_only=True)
class _Mark:
    """Where a unit's task lies at most, and since when nothing was heard of the unit."""

    source: TopicPartition
    group: str
    offset: int
    epoch: str
    quiet_since: float
    patience: float


class Healer:
    """Watches the open units of one job. A unit that merely waits its turn is never doubled."""

    def __init__(self, bus: Bus, spec: JobSpec, clock: Clock, reissue_after_seconds: float) -> None:
        self._bus = bus
        self._spec = spec
        self._clock = clock
        self._patience = reissue_after_seconds
        self._marks: dict[str, _Mark] = {}

    def note(self, task: UnitTask) -> None:
        """Notes where an open unit's task lies: below the end of its partition as of now."""
        patience = self._patience
        if task.unit_id in self._marks:
            patience = 2 * self._marks[task.unit_id].patience
        topic = task_topic(task)
        partition = task_partition(task, self._bus.partitions(topic), self._spec.plan.ranges)
        source = TopicPartition(topic, partition)
        self._marks[task.unit_id] = _Mark(
            source=source,
            group=group_of_job(task.stage, self._spec),
            offset=self._bus.end_offset(source),
            epoch=self._bus.topic_epoch(topic),
            quiet_since=self._clock.monotonic(),
            patience=patience,
        )

    def sign_of_life(self, unit_id: str) -> None:
        """A unit reported progress."""
        mark = self._marks.get(unit_id)
        if mark is not None:
            mark.quiet_since = self._clock.monotonic()

    def lost(self, open_units: list[UnitTask]) -> list[UnitTask]:
        """Returns the open units whose tasks are to be published again; forgets closed ones."""
        still_open = {task.unit_id: task for task in open_units}
        self._marks = {name: mark for name, mark in self._marks.items() if name in still_open}
        now, places = self._clock.monotonic(), _Places(self._bus)
        return [
            still_open[name]
            for name, mark in self._marks.items()
            if now - mark.quiet_since >= mark.patience and places.is_gone(mark)
        ]


@dataclass(frozen=True, slots=True)
class _Place:
    """How far a group has read a partition, and what there is of it."""

    committed: int
    end: int
    epoch: str
    unread: int | None  # first offset that the group has not read, None if there is none


class _Places:
    """One look at the bus: each partition is asked for once, however many units wait in it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._seen: dict[tuple[str, TopicPartition], _Place] = {}

    def is_gone(self, mark: _Mark) -> bool:
        """Whether nothing below the mark is still to be read by the group (U5)."""
        place = self._seen.get((mark.group, mark.source)) or self._look(mark.group, mark.source)
        if place.committed >= mark.offset or place.end < mark.offset or place.epoch != mark.epoch:
            return True
        return place.unread is None or place.unread >= mark.offset  # retention took what was below

    def _look(self, group: str, source: TopicPartition) -> _Place:
        committed = self._bus.committed(group, source) or 0
        unread = self._bus.read(source, start=committed, max_records=1)
        place = self._seen[group, source] = _Place(
            committed=committed,
            end=self._bus.end_offset(source),
            epoch=self._bus.topic_epoch(source.topic),
            unread=unread[0].offset if unread else None,
        )
        return place
