"""A broker in memory: what the port promises, nothing durable."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType

from pairmill.bus.assignment import assign_ranges
from pairmill.bus.port import Message, Outgoing, TopicPartition
from pairmill.errors import ConfigurationError, RetriableError


@dataclass(slots=True)
class _Log:
    messages: list[Message] = field(default_factory=list)
    end: int = 0


class MemoryBus(AbstractContextManager["MemoryBus"]):
    """Topics, groups and offsets in dictionaries; can be `away`."""

    def __init__(self, *, session_seconds: float = 10.0) -> None:
        self.session_seconds = session_seconds
        self.logs: dict[TopicPartition, _Log] = {}
        self.offsets: dict[tuple[str, TopicPartition], int] = {}
        self.members: dict[str, dict[str, MemoryConsumer]] = defaultdict(dict)
        self.generations: Counter[str] = Counter()
        self.lock = threading.Condition()
        self.away = False
        self._topics: dict[str, tuple[int, str]] = {}
        self._made = 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def publish(self, messages: Sequence[Outgoing]) -> None:
        self.ping()
        with self.lock:
            for message in messages:
                if TopicPartition(message.topic, message.partition) not in self.logs:
                    raise ConfigurationError(f"no partition {message.topic}/{message.partition}")
            for message in messages:
                self._append(message)
            self.lock.notify_all()

    def _append(self, message: Outgoing) -> None:
        log = self.logs[TopicPartition(message.topic, message.partition)]
        log.messages.append(
            Message(
                topic=message.topic,
                partition=message.partition,
                offset=log.end,
                key=message.key,
                value=message.value,
                headers=message.headers,
                appended_at=self.now(),
            )
        )
        log.end += 1

    def consumer(self, *, group: str, topics: Sequence[str], member: str) -> MemoryConsumer:
        for topic in topics:
            self.partitions(topic)
        return MemoryConsumer(self, group, tuple(topics), member)

    def partitions(self, topic: str) -> int:
        self.ping()
        if topic not in self._topics:
            raise ConfigurationError(f"no topic {topic!r}")
        return self._topics[topic][0]

    def read(self, source: TopicPartition, *, start: int, max_records: int) -> Sequence[Message]:
        self.ping()
        with self.lock:
            log = self.logs.get(source, _Log())
            return [message for message in log.messages if message.offset >= start][:max_records]

    def watch(self, places: Mapping[TopicPartition, int], tell: Callable[[], None]) -> bool:
        return False

    def start_offset(self, source: TopicPartition) -> int:
        found = self.read(source, start=0, max_records=1)
        return found[0].offset if found else self.end_offset(source)

    def end_offset(self, source: TopicPartition) -> int:
        self.ping()
        return self.logs[source].end if source in self.logs else 0

    def committed(self, group: str, source: TopicPartition) -> int | None:
        self.ping()
        return self.offsets.get((group, source))

    def has_members(self, group: str) -> bool:
        self.ping()
        return bool(set(self.members[group]) - set(self.silent(group, time.monotonic())))

    def topic_epoch(self, topic: str) -> str:
        self.ping()
        return self._topics[topic][1] if topic in self._topics else ""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def ping(self) -> None:
        if self.away:
            raise RetriableError("the broker is away")

    def close(self) -> None:
        return

    # What operators and tests do

    def create_topic(self, topic: str, partitions: int) -> None:
        with self.lock:
            if topic in self._topics:
                return
            self._made += 1
            self._topics[topic] = (partitions, f"epoch-{self._made}")
            self.logs.update({TopicPartition(topic, part): _Log() for part in range(partitions)})
            self._reassign(list(self.members))

    def delete_topic(self, topic: str) -> None:
        with self.lock:
            self._topics.pop(topic, None)
            self.logs = {source: log for source, log in self.logs.items() if source.topic != topic}
            self.offsets = {at: offset for at, offset in self.offsets.items() if at[1].topic != topic}
            self._reassign(list(self.members))

    def delete_group(self, group: str) -> None:
        with self.lock:
            self.offsets = {at: offset for at, offset in self.offsets.items() if at[0] != group}
            self._reassign([group])

    def reset_offsets(self, group: str, topic: str, *, to_end: bool) -> None:
        with self.lock:
            for source, log in self.logs.items():
                if source.topic == topic:
                    self.offsets[group, source] = log.end if to_end else 0
            self._reassign([group])

    def trim(self, source: TopicPartition, before: int) -> None:
        with self.lock:
            log = self.logs[source]
            log.messages = [message for message in log.messages if message.offset >= before]

    def end_offset_of(self, topic: str) -> int:
        """Returns how many messages were ever published to a topic."""
        return sum(log.end for source, log in self.logs.items() if source.topic == topic)

    def messages(self, topic: str) -> list[Message]:
        """Returns what stands on a topic."""
        return [
            message for source, log in self.logs.items() if source.topic == topic for message in log.messages
        ]

    def assigned(self, group: str, member: str) -> frozenset[TopicPartition]:
        """Returns what a member owns in the group's present generation."""
        members = {name: consumer.topics for name, consumer in self.members[group].items()}
        wanted = {topic for topics in members.values() for topic in topics}
        counts = {topic: self._topics[topic][0] for topic in wanted if topic in self._topics}
        return assign_ranges(members, counts)[member]

    def silent(self, group: str, now: float) -> list[str]:
        """Returns the members that did not poll for too long."""
        return [
            name
            for name, member in self.members[group].items()
            if now - member.polled_at > self.session_seconds
        ]

    def _reassign(self, groups: list[str]) -> None:
        self.generations.update(groups)
        self.lock.notify_all()


class MemoryConsumer(AbstractContextManager["MemoryConsumer"]):
    """A member that joins with its first poll and leaves with `close`."""

    def __init__(self, bus: MemoryBus, group: str, topics: tuple[str, ...], member: str) -> None:
        self.topics = topics
        self._bus, self._group, self._member = bus, group, member
        self._generation = -1
        self._owned: frozenset[TopicPartition] = frozenset()
        self._paused: frozenset[TopicPartition] = frozenset()
        self._positions: dict[TopicPartition, int] = {}
        self._joined = False
        self._wakes = 0
        self.polled_at = 0.0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def poll(self, *, max_records: int, timeout_seconds: float) -> Sequence[Message]:
        deadline = time.monotonic() + timeout_seconds
        with self._bus.lock:
            while True:
                self._bus.ping()
                self._join()
                messages = self._fetch(max_records)
                remaining = deadline - time.monotonic()
                if messages or remaining <= 0 or self._wakes:
                    self._wakes = 0
                    return messages
                self._bus.lock.wait(remaining)

    def wake(self) -> None:
        with self._bus.lock:
            self._wakes += 1
            self._bus.lock.notify_all()

    def assignment(self) -> frozenset[TopicPartition]:
        return self._owned

    def generation(self) -> int:
        return self._generation

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._bus.ping()
        with self._bus.lock:
            if self._generation != self._bus.generations[self._group]:
                return
            for source, offset in offsets.items():
                if source in self._owned:
                    self._bus.offsets[self._group, source] = offset

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        self._paused |= partitions

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        self._paused -= partitions

    def lag(self) -> Mapping[TopicPartition, int]:
        self._bus.ping()
        ends = {source: self._bus.end_offset(source) for source in self._owned}
        return {source: end - (self._bus.committed(self._group, source) or 0) for source, end in ends.items()}

    def close(self) -> None:
        with self._bus.lock:
            members = self._bus.members[self._group]
            if members.get(self._member) is self:
                del members[self._member]
                self._bus.generations[self._group] += 1

    def _join(self) -> None:
        members, generations = self._bus.members[self._group], self._bus.generations
        self.polled_at = time.monotonic()
        for name in self._bus.silent(self._group, self.polled_at):
            del members[name]
            generations[self._group] += 1
        if members.get(self._member) is not self and (not self._joined or self._member not in members):
            members[self._member] = self
            generations[self._group] += 1
        self._joined = True
        if generations[self._group] == self._generation:
            return
        self._generation = generations[self._group]
        replaced = members.get(self._member) is not self
        self._owned = frozenset() if replaced else self._bus.assigned(self._group, self._member)
        self._paused &= self._owned
        self._positions = {
            source: offset for (group, source), offset in self._bus.offsets.items() if group == self._group
        }

    def _fetch(self, max_records: int) -> list[Message]:
        found: list[Message] = []
        for source in sorted(self._owned - self._paused):
            log = self._bus.logs.get(source, _Log())
            start = self._positions.get(source, 0)
            fresh = [message for message in log.messages if message.offset >= start]
            fresh = fresh[: max_records - len(found)]
            found.extend(fresh)
            if fresh:
                self._positions[source] = fresh[-1].offset + 1
        return found
