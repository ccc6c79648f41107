"""A bus whose publishing is counted and timed."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Final, Self

from prometheus_client import CollectorRegistry, Counter, Histogram

from pairmill.bus.port import Bus, Consumer, Message, Outgoing, TopicPartition
from pairmill.bus.topics import topic_partitions
from pairmill.clock import Clock
from pairmill.errors import RetriableError

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class BusMetrics:
    """Takes the measures of a bus into a registry. Thread-safe; labels come from a closed set."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "pairmill_bus_publish_seconds",
            "Time until records that were published together were acknowledged.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._records = Counter(
            "pairmill_bus_published_records",
            "Records that were published and acknowledged, by topic.",
            ("topic",),
            registry=registry,
        )
        self._bytes = Counter(
            "pairmill_bus_published_bytes",
            "Bytes of the values of these records.",
            registry=registry,
        )
        self._failures = Counter(
            "pairmill_bus_publish_failures",
            "Calls after which some records were not acknowledged; they are published again.",
            registry=registry,
        )
        for topic in topic_partitions(1):
            self._records.labels(topic)

    def published(self, messages: Sequence[Outgoing], seconds: float) -> None:
        """Counts what was acknowledged."""
        self._seconds.observe(seconds)
        self._bytes.inc(sum(len(message.value) for message in messages))
        for topic, records in Tally(message.topic for message in messages).items():
            self._records.labels(topic).inc(records)

    def failed(self, seconds: float) -> None:
        """Counts what was not."""
        self._seconds.observe(seconds)
        self._failures.inc()


class MeasuredBus:
    """Another bus, measured. Thread-safe like that one."""

    def __init__(self, behind: Bus, metrics: BusMetrics, clock: Clock) -> None:
        self._behind = behind
        self._metrics = metrics
        self._clock = clock

    def __enter__(self) -> Self:
        """Returns itself; the bus behind belongs to whoever opened it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leaves the bus behind as it is."""

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Returns once all messages are durable."""
        if not messages:
            return
        start = self._clock.monotonic()
        try:
            self._behind.publish(messages)
        except RetriableError:
            self._metrics.failed(self._clock.monotonic() - start)
            raise
        self._metrics.published(messages, self._clock.monotonic() - start)

    def consumer(self, *, group: str, topics: Sequence[str], member: str) -> Consumer:
        """Joins a group."""
        return self._behind.consumer(group=group, topics=topics, member=member)

    def partitions(self, topic: str) -> int:
        """Returns the number of partitions."""
        return self._behind.partitions(topic)

    def read(self, source: TopicPartition, *, start: int, max_records: int) -> Sequence[Message]:
        """Returns messages without any group."""
        return self._behind.read(source, start=start, max_records=max_records)

    def watch(self, places: Mapping[TopicPartition, int], tell: Callable[[], None]) -> bool:
        """Has `tell` called soon after a message stands at one of these places, or behind."""
        return self._behind.watch(places, tell)

    def start_offset(self, source: TopicPartition) -> int:
        """Returns the offset of the oldest message that is still there."""
        return self._behind.start_offset(source)

    def end_offset(self, source: TopicPartition) -> int:
        """Returns the offset that the next message will have at the earliest."""
        return self._behind.end_offset(source)

    def committed(self, group: str, source: TopicPartition) -> int | None:
        """Returns the group's committed offset."""
        return self._behind.committed(group, source)

    def trim(self, source: TopicPartition, before: int) -> None:
        """Deletes messages with smaller offsets."""
        self._behind.trim(source, before)

    def has_members(self, group: str) -> bool:
        """Returns whether a group has a member."""
        return self._behind.has_members(group)

    def topic_epoch(self, topic: str) -> str:
        """Returns a name that changes when a topic is made anew."""
        return self._behind.topic_epoch(topic)

    def now(self) -> datetime:
        """Returns the broker's time."""
        return self._behind.now()

    def ping(self) -> None:
        """Raises RetriableError if the broker cannot be used now."""
        self._behind.ping()

    def close(self) -> None:
        """Leaves the bus behind as it is."""
