"""From delivered messages to units in hand.

What is no task is set aside as poison (U13); tasks of another group's jobs are passed over (U17).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta

import structlog

from pairmill.bus.port import Message, TopicPartition
from pairmill.clock import Clock
from pairmill.errors import CorruptObjectError, InvalidRecordError, ObjectMissingError
from pairmill.groups import group_of_job
from pairmill.stage.breaker import Backoff
from pairmill.stage.hand import Due, UnitInHand
from pairmill.stage.messages import parse_task
from pairmill.stage.offsets import OffsetTracker
from pairmill.stage.specs import SpecCache, waiting_seconds
from pairmill.store.port import ObjectStore
from pairmill_protos.unit.v1.unit_pb2 import Stage

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Poison:
    """A message that is no task, and what is wrong with it."""

    message: Message
    error: InvalidRecordError


class Intake:
    """Holds what was delivered to a member of a group and not yet read. Not thread-safe."""

    def __init__(
        self, stage: Stage.ValueType, group: str, store: ObjectStore, tracker: OffsetTracker, clock: Clock
    ) -> None:
        self._stage = stage
        self._group = group
        self._specs = SpecCache(store)
        self._tracker = tracker
        self._clock = clock
        self._unread: deque[tuple[Message, float]] = deque()
        self.poison: deque[Poison] = deque()
        self.passed_over = 0  # tasks that are another group's

    def take(self, messages: Iterable[Message]) -> None:
        """Takes delivered messages."""
        delivered_at = self._clock.monotonic()
        self._unread.extend((message, delivered_at) for message in messages)

    def keep_only(self, owned: AbstractSet[TopicPartition]) -> None:
        """Drops what was delivered from partitions that are no longer owned; it is delivered again."""
        self._unread = deque(unread for unread in self._unread if unread[0].source in owned)
        self.poison = deque(poison for poison in self.poison if poison.message.source in owned)

    def unread(self) -> Counter[TopicPartition]:
        """Returns how many messages of each partition are unread."""
        return Counter(message.source for message, _ in self._unread)

    def read(self, hand: list[UnitInHand]) -> None:
        """Adds all unread tasks to the units in hand; raises RetriableError where the store is away."""
        while self._unread:
            message, delivered_at = self._unread[0]
            unit = self._unit(message, delivered_at)
            if unit is not None and self._tracker.deliver(message.source, message.offset):
                hand.append(unit)
            self._unread.popleft()

    def _unit(self, message: Message, delivered_at: float) -> UnitInHand | None:
        try:
            task = parse_task(message, self._stage)
            spec = self._specs.get(task.spec, task.dataset)
        except (InvalidRecordError, ObjectMissingError, CorruptObjectError) as error:
            if self._tracker.deliver(message.source, message.offset):
                self.poison.append(Poison(message, InvalidRecordError(str(error))))
            return None
        if group_of_job(self._stage, spec) != self._group:
            self._pass_over(message, group_of_job(self._stage, spec))
            return None
        wait = waiting_seconds(task, spec)
        return UnitInHand(
            message=message,
            task=task,
            spec=spec,
            due=Due(at=message.appended_at + timedelta(seconds=wait), monotonic=delivered_at + wait),
            backoff=Backoff(self._clock),
        )

    def _pass_over(self, message: Message, group: str) -> None:
        """Commits past a task that members of another group read as well, and work on (U17)."""
        log.info("task_passed_over", topic=message.topic, offset=message.offset, group=group)
        if self._tracker.deliver(message.source, message.offset):
            self._tracker.finish(message.source, message.offset)
            self.passed_over += 1
