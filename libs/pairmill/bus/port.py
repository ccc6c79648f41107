"""The bus as the services see it. Delivery is at least once; order holds within a partition.

An offset always means "next to read". Nothing in Pairmill depends on exclusive delivery (U3); the
assignment of partitions to members is for politeness and economy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    """One partition of a topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to publish."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: Headers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as delivered."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: Headers = field(default=())
    appended_at: datetime  # the broker's append time, UTC

    @property
    def source(self) -> TopicPartition:
        """The partition that it stands in."""
        return TopicPartition(self.topic, self.partition)


class Consumer(AbstractContextManager["Consumer"], Protocol):
    """One member of a consumer group. Used by one thread."""

    def poll(self, *, max_records: int, timeout_seconds: float) -> Sequence[Message]:
        """Returns messages of assigned, unpaused partitions after the position; may be empty.

        Returns before the time is over if the assignment was made anew.
        Also the sign of life by which the member stays in its group. Positions start at the group's
        committed offset, or at the oldest message if there is none.
        """
        ...

    def wake(self) -> None:
        """Ends a poll under way soon, or else the next one. For any thread, and for signal handlers."""
        ...

    def assignment(self) -> frozenset[TopicPartition]:
        """Returns the partitions that this member owns as of the last poll."""
        ...

    def generation(self) -> int:
        """Returns a number that changes whenever the assignment was made anew."""
        ...

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Stores the group's offsets (next to read). Offsets of partitions no longer owned are ignored."""
        ...

    def pause(self, partitions: frozenset[TopicPartition]) -> None:
        """Stops delivery from these partitions until resumed; membership goes on."""
        ...

    def resume(self, partitions: frozenset[TopicPartition]) -> None:
        """Undoes `pause`."""
        ...

    def lag(self) -> Mapping[TopicPartition, int]:
        """Returns, for each owned partition, how many messages lie after the committed offset."""
        ...

    def close(self) -> None:
        """Leaves the group at once, without committing."""
        ...


class Bus(AbstractContextManager["Bus"], Protocol):
    """A broker. Thread-safe but for its consumers."""

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Returns once all messages are durable, in their order per partition.

        Raises RetriableError if the broker did not acknowledge; some may stand there then.
        """
        ...

    def consumer(self, *, group: str, topics: Sequence[str], member: str) -> Consumer:
        """Joins a group. Topics with the same number of partitions are assigned alike (range, U10)."""
        ...

    def partitions(self, topic: str) -> int:
        """Returns the number of partitions; raises ConfigurationError for an unknown topic."""
        ...

    def read(self, source: TopicPartition, *, start: int, max_records: int) -> Sequence[Message]:
        """Returns messages with offset >= `start` without any group; gaps between offsets may occur."""
        ...

    def watch(self, places: Mapping[TopicPartition, int], tell: Callable[[], None]) -> bool:
        """Has `tell` called, in any thread, soon after a message stands at one of these places or behind.

        Takes the place of the watch before. It may be called for nothing. Returns False where it will not be
        called: then there is nothing but looking.
        """
        ...

    def start_offset(self, source: TopicPartition) -> int:
        """Returns the offset of the oldest message that is still there; the end where none is."""
        ...

    def end_offset(self, source: TopicPartition) -> int:
        """Returns the offset that the next message will have at the earliest."""
        ...

    def committed(self, group: str, source: TopicPartition) -> int | None:
        """Returns the group's committed offset, or None if it has none."""
        ...

    def trim(self, source: TopicPartition, before: int) -> None:
        """Deletes messages with smaller offsets for good; whoever reads goes on with what is there."""
        ...

    def has_members(self, group: str) -> bool:
        """Returns whether a group has a member that was not silent for too long."""
        ...

    def topic_epoch(self, topic: str) -> str:
        """Returns a name that changes when a topic is deleted and made anew (U5)."""
        ...

    def now(self) -> datetime:
        """Returns the broker's time, by which messages are stamped, as well as it is known; UTC."""
        ...

    def ping(self) -> None:
        """Raises RetriableError if the broker cannot be used now."""
        ...

    def close(self) -> None:
        """Releases all resources."""
        ...


class BusAdmin(Protocol):
    """What operators (and tests) do to a broker; services never do."""

    def create_topic(self, topic: str, partitions: int) -> None:
        """Creates a topic; does nothing if it exists with that many partitions."""
        ...

    def delete_topic(self, topic: str) -> None:
        """Deletes a topic with its messages."""
        ...

    def delete_group(self, group: str) -> None:
        """Forgets a group's offsets and members."""
        ...

    def reset_offsets(self, group: str, topic: str, *, to_end: bool) -> None:
        """Sets a group's offsets of a topic to the start or the end."""
        ...
