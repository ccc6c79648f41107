"""Reading partitions without a group, from any offset on."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any, Final

from kafka import TopicPartition as Place  # type: ignore[import-untyped]  # the client has no types

from pairmill.bus.kafka_clients import KafkaClients, close_consumer
from pairmill.bus.kafka_errors import translated
from pairmill.bus.kafka_lazy import Lazy
from pairmill.bus.kafka_records import message_of
from pairmill.bus.port import Message, TopicPartition
from pairmill.errors import PairmillError, RetriableError

_MOST_READERS: Final = 8
_POLL_MILLISECONDS: Final = 200


class Reader:
    """Follows one partition by a consumer of its own, which reads ahead. Thread-safe."""

    def __init__(self, clients: KafkaClients, source: TopicPartition, *, timeout_seconds: float) -> None:
        self._consumer = Lazy(clients.reader, close_consumer)
        self._place = Place(source.topic, source.partition)
        self._timeout_seconds = timeout_seconds
        self._lock = Lock()
        self._assigned: Any = None  # the consumer that has the partition
        self._position = -1
        self._end = 0  # as it was when last asked for

    def read(self, start: int, max_records: int) -> Sequence[Message]:
        """Returns messages from an offset on, none at the end."""
        with self._lock:
            consumer = self._consumer.get()
            try:
                with translated(f"reading {self._place.topic}"):
                    return self._read(consumer, start, max_records)
            except PairmillError:
                self._consumer.discard(consumer)
                raise

    def _read(self, consumer: Any, start: int, max_records: int) -> Sequence[Message]:
        self._seek(consumer, start)
        if start >= self._end:
            self._end = self._ask_end(consumer)
        deadline = time.monotonic() + self._timeout_seconds
        while self._position < self._end:
            records = consumer.poll(timeout_ms=_POLL_MILLISECONDS, max_records=max_records)
            found = [record for record in records.get(self._place, ()) if record.offset >= start]
            if found:
                self._position = found[-1].offset + 1
                return [message_of(record) for record in found]
            self._position = consumer.position(self._place, timeout_ms=_POLL_MILLISECONDS) or self._position
            self._end = self._ask_end(consumer)  # it may have moved down: the topic was made anew
            if self._position < start:
                break
            if time.monotonic() > deadline:
                raise RetriableError(f"no messages of {self._place.topic} came in time")
        return []

    def _ask_end(self, consumer: Any) -> int:
        return int(consumer.end_offsets([self._place])[self._place])

    def _seek(self, consumer: Any, start: int) -> None:
        if consumer is not self._assigned:
            consumer.assign([self._place])
            self._assigned, self._position, self._end = consumer, -1, 0
        if start != self._position:
            consumer.seek(self._place, start)
            self._position = start

    def close(self) -> None:
        """Closes the consumer."""
        self._consumer.discard()


class Readers:
    """A reader for each of the partitions that were read last. Thread-safe."""

    def __init__(self, clients: KafkaClients, *, timeout_seconds: float) -> None:
        self._clients = clients
        self._timeout_seconds = timeout_seconds
        self._lock = Lock()
        self._readers: OrderedDict[TopicPartition, Reader] = OrderedDict()

    def of(self, source: TopicPartition) -> Reader:
        """Returns the partition's reader."""
        with self._lock:
            reader = self._readers.pop(source, None)
            if reader is None:
                reader = Reader(self._clients, source, timeout_seconds=self._timeout_seconds)
            self._readers[source] = reader
            if len(self._readers) > _MOST_READERS:
                self._readers.popitem(last=False)[1].close()
            return reader

    def close(self) -> None:
        """Closes all."""
        with self._lock:
            while self._readers:
                self._readers.popitem()[1].close()
