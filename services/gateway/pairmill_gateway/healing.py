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
        now = self._clock.monotonic()
        return [
            still_open[name]
            for name, mark in self._marks.items()
            if now - mark.quiet_since >= mark.patience and self._is_gone(mark)
        ]

    def _is_gone(self, mark: _Mark) -> bool:
        """Whether nothing below the mark is still to be read by the group (U5)."""
        committed = self._bus.committed(mark.group, mark.source) or 0
        if committed >= mark.offset or self._bus.end_offset(mark.source) < mark.offset:
            return True
        if self._bus.topic_epoch(mark.source.topic) != mark.epoch:
            return True
        unread = self._bus.read(mark.source, start=committed, max_records=1)
        return not unread or unread[0].offset >= mark.offset  # retention took what was below
