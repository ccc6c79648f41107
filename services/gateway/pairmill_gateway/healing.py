"""Healing: open units whose task got lost are published again, and only those (U5)."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple, Protocol

from pairmill.bus.port import Bus, TopicPartition
from pairmill.clock import Clock
from pairmill.groups import group_of_job
from pairmill.units import task_partition, task_topic
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import UnitTask


class OpenUnits(Protocol):
    """Whoever knows the open units of a job: its walk."""

    def is_open(self, unit_id: str) -> bool:
        """Returns whether a unit is expected and open."""
        ...

    def open_task(self, unit_id: str) -> UnitTask | None:
        """Returns the task of a unit if it is open."""
        ...


class _Queue(NamedTuple):
    """Where the tasks of some units lie, and who reads them."""

    group: str
    source: TopicPartition
    epoch: str


@dataclass(slots=True, kw_only=True)
class _Mark:
    """Where a unit's task lies at most, and since when nothing was heard of the unit."""

    unit_id: str
    order: int
    queue: _Queue
    offset: int
    quiet_since: float
    patience: float

    @property
    def due(self) -> float:
        """When the unit has been quiet for long enough, as far as is known."""
        return self.quiet_since + self.patience


class Healer:
    """Watches the open units of one job. A unit that merely waits its turn is never doubled.

    A look costs what fell due since the last one, and one question for each partition that units wait
    in: there may be a hundred thousand of them. A mark moves from the units that were heard of lately
    to those that wait in a queue, where only the foremost are looked at.
    """

    def __init__(self, bus: Bus, spec: JobSpec, clock: Clock, reissue_after_seconds: float) -> None:
        self._bus = bus
        self._spec = spec
        self._clock = clock
        self._patience = reissue_after_seconds
        self._orders = count()
        self._marks: dict[str, _Mark] = {}
        self._lately: list[tuple[float, int, _Mark]] = []  # a heap by the time that they fall due
        self._waiting: dict[_Queue, _Waiting] = {}

    def note(self, task: UnitTask) -> None:
        """Notes where an open unit's task lies: below the end of its partition as of now."""
        patience = self._patience
        if task.unit_id in self._marks:
            patience = 2 * self._marks[task.unit_id].patience
        topic = task_topic(task)
        partition = task_partition(task, self._bus.partitions(topic), self._spec.plan.ranges)
        source = TopicPartition(topic, partition)
        mark = _Mark(
            unit_id=task.unit_id,
            order=next(self._orders),
            queue=_Queue(group_of_job(task.stage, self._spec), source, self._bus.topic_epoch(topic)),
            offset=self._bus.end_offset(source),
            quiet_since=self._clock.monotonic(),
            patience=patience,
        )
        self._marks[task.unit_id] = mark
        self._watch(mark)

    def sign_of_life(self, unit_id: str) -> None:
        """A unit reported progress."""
        mark = self._marks.get(unit_id)
        if mark is not None:
            mark.quiet_since = self._clock.monotonic()

    def lost(self, units: OpenUnits) -> list[UnitTask]:
        """Returns the open units whose tasks are to be published again, in the order of their notes.

        They are returned at each look until they are noted anew.
        """
        self._take_due(units)
        found: list[_Mark] = []
        for queue in list(self._waiting):
            found.extend(self._gone_from(queue, units))
        tasks = (units.open_task(mark.unit_id) for mark in sorted(found, key=lambda mark: mark.order))
        return [task for task in tasks if task is not None]

    def _watch(self, mark: _Mark) -> None:
        heapq.heappush(self._lately, (mark.due, mark.order, mark))

    def _wait(self, mark: _Mark) -> None:
        self._waiting.setdefault(mark.queue, _Waiting()).add(mark)

    def _take_due(self, units: OpenUnits) -> None:
        """Moves the units that have been quiet for long enough to the queue that they wait in."""
        now = self._clock.monotonic()
        while self._lately and self._lately[0][0] <= now:
            mark = heapq.heappop(self._lately)[2]
            if not self._is_current(mark, units):
                continue
            if mark.due <= now:
                self._wait(mark)
            else:
                self._watch(mark)  # it was heard of meanwhile

    def _gone_from(self, queue: _Queue, units: OpenUnits) -> list[_Mark]:
        """Returns the units that wait in a queue in vain: nothing below their mark is still to be read."""
        found, now = list[_Mark](), self._clock.monotonic()
        for mark in self._waiting[queue].take_gone(self._look(queue)):
            if not self._is_current(mark, units):
                continue
            if mark.due <= now:
                found.append(mark)
            else:
                self._watch(mark)
        for mark in found:
            self._wait(mark)
        if not self._waiting[queue]:
            del self._waiting[queue]
        return found

    def _is_current(self, mark: _Mark, units: OpenUnits) -> bool:
        """Whether a mark is its unit's last one and the unit is open; forgets the unit if it is not."""
        if self._marks.get(mark.unit_id) is not mark:
            return False
        if units.is_open(mark.unit_id):
            return True
        del self._marks[mark.unit_id]
        return False

    def _look(self, queue: _Queue) -> _Place:
        committed = self._bus.committed(queue.group, queue.source) or 0
        return _Place(
            unread=max(committed, self._bus.start_offset(queue.source)),  # retention took what was below
            end=self._bus.end_offset(queue.source),
            is_same=self._bus.topic_epoch(queue.source.topic) == queue.epoch,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """How far a group has read a partition, and what there is of it."""

    unread: int  # first offset that the group may still read
    end: int
    is_same: bool  # and not a partition of a topic that was made anew

    def is_gone(self, mark: _Mark) -> bool:
        """Whether nothing below the mark is still to be read by the group (U5)."""
        return self.unread >= mark.offset or self.end < mark.offset or not self.is_same


class _Waiting:
    """Marks of units that wait in one queue."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, _Mark]] = []  # by offset: a group passes the smallest first
        self._deepest = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, mark: _Mark) -> None:
        """Adds a mark."""
        heapq.heappush(self._heap, (mark.offset, mark.order, mark))
        self._deepest = max(self._deepest, mark.offset)

    def take_gone(self, place: _Place) -> list[_Mark]:
        """Takes out the marks below which nothing is to be read. Looks at them in order, not at all."""
        gone = []
        if self._deepest > place.end:  # the partition was longer once
            gone = [mark for _, _, mark in self._heap if place.is_gone(mark)]
            self._heap = [item for item in self._heap if not place.is_gone(item[2])]
            heapq.heapify(self._heap)
            self._deepest = max((offset for offset, _, _ in self._heap), default=0)
        while self._heap and place.is_gone(self._heap[0][2]):
            gone.append(heapq.heappop(self._heap)[2])
        return gone
