"""What tests ask of a Kafka bus about one topic and one group."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from pairmill.bus.port import Consumer, Message, Outgoing, TopicPartition
from tests.fakes.kafka_broker import KafkaBroker
from tests.fakes.processes import wait_until

PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Place:
    """A topic and a group of the test's own."""

    broker: KafkaBroker
    topic: str
    group: str

    @property
    def sources(self) -> list[TopicPartition]:
        """The partitions of the topic."""
        return [TopicPartition(self.topic, part) for part in range(PARTITIONS)]

    def outgoing(self, number: int, partition: int = 0) -> Outgoing:
        """Returns a message that carries its number."""
        return Outgoing(topic=self.topic, partition=partition, key=b"k", value=str(number).encode())

    def publish(self, numbers: range, partition: int = 0) -> None:
        """Publishes numbers."""
        self.broker.publish([self.outgoing(number, partition) for number in numbers])

    def consumer(self, member: str = "a") -> Consumer:
        """Returns a member of the group."""
        return self.broker.consumer(group=self.group, topics=[self.topic], member=member)

    def log(self, partition: int = 0) -> list[str]:
        """Returns the values of all messages of a partition."""
        values: list[str] = []
        source, start = TopicPartition(self.topic, partition), 0
        while messages := self.broker.read(source, start=start, max_records=1000):
            values.extend(message.value.decode() for message in messages)
            start = messages[-1].offset + 1
        return values

    def lag(self) -> int:
        """Returns how many messages are not committed."""
        committed = {source: self.broker.committed(self.group, source) or 0 for source in self.sources}
        return sum(self.broker.end_offset(source) - committed[source] for source in self.sources)


def new_place(broker: KafkaBroker) -> Place:
    """Returns a new topic with a name for a group."""
    name = uuid.uuid4().hex[:8]
    broker.create_topic(f"topic-{name}", PARTITIONS)
    return Place(broker, f"topic-{name}", f"group-{name}")


def poll_until(
    consumer: Consumer, enough: Callable[[list[Message]], bool], seconds: float = 60.0
) -> list[Message]:
    """Polls until what came is enough."""
    came: list[Message] = []

    def polled() -> bool:
        came.extend(consumer.poll(max_records=50, timeout_seconds=0.2))
        return enough(came)

    wait_until(polled, seconds)
    return came


def numbers(messages: list[Message]) -> list[int]:
    """Returns the numbers that messages carry."""
    return [int(message.value) for message in messages]


def first_occurrences(log: list[str]) -> list[int]:
    """Returns the numbers of `NAME-<number>` in the order in which each came first."""
    return [int(value.split("-")[1]) for value in dict.fromkeys(log)]


def assert_whole(place: Place, acknowledged: list[str], received: set[str]) -> None:
    """Nothing acknowledged is lost, in the log or at the consumer, and order holds."""
    logs = [place.log(partition) for partition in range(PARTITIONS)]
    stored = {value for log in logs for value in log}
    assert stored >= set(acknowledged)
    assert received >= set(acknowledged)
    for log in logs:
        assert first_occurrences(log) == sorted(first_occurrences(log))
