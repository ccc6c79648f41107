"""The bus on Apache Kafka: acknowledged publishes, static members, offsets as the stages commit them.

At-least-once delivery is all that is asked of it (U2): no transactions, no exactly-once mode.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from pairmill.bus.kafka_clients import KafkaClients
from pairmill.bus.kafka_clock import BrokerClock
from pairmill.bus.kafka_consumer import KafkaMember
from pairmill.bus.kafka_metadata import Metadata
from pairmill.bus.kafka_publisher import Publisher
from pairmill.bus.kafka_reader import Readers
from pairmill.bus.kafka_watch import Watcher
from pairmill.bus.port import Message, Outgoing, TopicPartition
from pairmill.bus.settings import KafkaConfig
from pairmill.bus.topics import topic_partitions
from pairmill.closing import Closing
from pairmill.errors import ConfigurationError, RetriableError
from pairmill.units import PROGRESS_TOPIC

_DECLARED: Final = frozenset(topic_partitions(1))
_ASK_TIME_SECONDS: Final = 10.0


class KafkaBus(Closing):
    """A cluster of brokers. Thread-safe but for its consumers; connects when first used, also after fork."""

    def __init__(
        self, servers: tuple[str, ...], config: KafkaConfig, *, wall: Callable[[], float] = time.time
    ) -> None:
        """`wall` is the machine's clock, in seconds since 1970."""
        self._config = config
        self._clients = KafkaClients(servers, config)
        self._clock = BrokerClock(wall)
        self._asked_time_at: float | None = None
        self._metadata = Metadata(self._clients, age_seconds=config.metadata_age_seconds)
        self._publisher = Publisher(
            self._clients, self._clock, delivery_seconds=config.delivery_timeout_seconds
        )
        self._watcher = Watcher(self._clients)
        self._readers = Readers(self._clients, timeout_seconds=config.request_timeout_seconds)

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Returns once all replicas have all messages."""
        if not messages:
            return
        for message in messages:
            if not 0 <= message.partition < self.partitions(message.topic):
                raise ConfigurationError(f"the bus has no partition {message.topic}/{message.partition}")
        self._publisher.publish(messages)

    def consumer(self, *, group: str, topics: Sequence[str], member: str) -> KafkaMember:
        """Returns a static member, which joins with its first poll; that waits for what is away now."""
        with contextlib.suppress(RetriableError):
            for topic in topics:
                self.partitions(topic)
        return KafkaMember(
            self._clients,
            self._metadata,
            self._clock,
            group=group,
            topics=tuple(topics),
            member=member,
            session_seconds=self._config.session_timeout_seconds,
        )

    def partitions(self, topic: str) -> int:
        """Returns the number of partitions, at most `metadata_age_seconds` old.

        A topic that Pairmill declares is away where it is not there, as a broker may be (A9): somebody
        is about to apply the topics, or deleted one. Any other is a wrong configuration.
        """
        return self._metadata.topic(topic, expected=topic in _DECLARED).partitions

    def read(self, source: TopicPartition, *, start: int, max_records: int) -> Sequence[Message]:
        """Returns messages from an offset on, without any group; fastest read in order."""
        return self._readers.of(source).read(start, max_records)

    def watch(self, places: Mapping[TopicPartition, int], tell: Callable[[], None]) -> bool:
        """Has `tell` called soon after a message stands at one of these places, or behind."""
        return self._watcher.watch(places, tell)

    def start_offset(self, source: TopicPartition) -> int:
        """Returns the offset of the oldest message, or of the next one."""
        return self._metadata.starts([source]).get(source, 0)

    def end_offset(self, source: TopicPartition) -> int:
        """Returns the offset that the next message will have at the earliest."""
        return self._metadata.ends([source]).get(source, 0)

    def committed(self, group: str, source: TopicPartition) -> int | None:
        """Returns the group's committed offset, or None."""
        return self._metadata.committed(group, [source]).get(source)

    def trim(self, source: TopicPartition, before: int) -> None:
        """Deletes messages with smaller offsets; brokers free the room by whole segments."""
        self._metadata.trim(source, before)

    def has_members(self, group: str) -> bool:
        """Returns whether the broker counts anybody as a member of a group."""
        return bool(self._metadata.members(group))

    def topic_epoch(self, topic: str) -> str:
        """Returns the topic's id."""
        return self._metadata.epoch(topic)

    def now(self) -> datetime:
        """Returns the broker's time: a clock corrected by the last acknowledged publish (U9).

        A process that has published nothing yet publishes a record without content to have it stamped.
        Where that fails, the time is that of the latest message that came, so none is early (A16).
        """
        if not self._clock.is_exact():
            self._ask_time()
        return self._clock.now()

    def _ask_time(self) -> None:
        """Asks at most once in some seconds; a broker tells its time to nobody who does not publish."""
        now = time.monotonic()
        if self._asked_time_at is not None and now - self._asked_time_at < _ASK_TIME_SECONDS:
            return
        self._asked_time_at = now
        with contextlib.suppress(RetriableError, ConfigurationError):  # no right to publish there, say
            self.publish([Outgoing(topic=PROGRESS_TOPIC, partition=0, key=b"", value=b"")])

    def ping(self) -> None:
        """Raises RetriableError if no broker answers."""
        self._metadata.ping()

    def close(self) -> None:
        """Closes all connections but those of consumers."""
        self._publisher.close()
        self._readers.close()
        self._watcher.close()
        self._metadata.close()
