"""Hearing that partitions have more, without asking again and again: a fetch waits at the broker.

What comes is not read here, but by whoever hears of it, from the place where reading stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Final

from kafka import TopicPartition as Place  # type: ignore[import-untyped]  # the client has no types

from pairmill.bus.kafka_clients import KafkaClients, close_consumer
from pairmill.bus.kafka_errors import translated
from pairmill.bus.kafka_inside import ask_for_more, drop_answers, let_fetches_wait
from pairmill.bus.kafka_lazy import Lazy
from pairmill.bus.port import TopicPartition
from pairmill.errors import PairmillError

_FETCH_SECONDS: Final = 5.0  # so late, at the most, places count that were changed while a fetch waits


class Watcher:
    """Keeps one fetch waiting at each broker that has a partition. Thread-safe."""

    def __init__(self, clients: KafkaClients) -> None:
        self._consumer = Lazy(clients.watcher, close_consumer)
        self._lock = Lock()
        self._set_up: Any = None  # the consumer that has the partitions
        self._places: dict[TopicPartition, int] = {}
        self._tell: Callable[[], None] = lambda: None
        self._heard: set[Any] = set()  # fetches that tell when they are answered

    def watch(self, places: Mapping[TopicPartition, int], tell: Callable[[], None]) -> bool:
        """Has `tell` called soon after there is more at these places; returns whether it will be."""
        with self._lock:
            self._tell = tell
            consumer = self._consumer.get()
            try:
                with translated(f"watching {', '.join(sorted({source.topic for source in places}))}"):
                    return self._watch(consumer, dict(places))
            except PairmillError:
                self._consumer.discard(consumer)
                raise

    def _watch(self, consumer: Any, places: dict[TopicPartition, int]) -> bool:
        self._move(consumer, places)
        self._heard = {fetch for fetch in self._heard if not fetch.is_done}
        for fetch in ask_for_more(consumer):
            self._heard.add(fetch)
            fetch.add_both(self._answered)
        return bool(self._heard)

    def _move(self, consumer: Any, places: dict[TopicPartition, int]) -> None:
        if consumer is not self._set_up or places.keys() != self._places.keys():
            consumer.assign([_place(source) for source in places])
            let_fetches_wait(consumer, _FETCH_SECONDS)
            if consumer is not self._set_up:
                self._set_up, self._heard = consumer, set()
            self._places = {}
        drop_answers(consumer)  # they are read elsewhere
        for source, position in places.items():
            if self._places.get(source) != position:
                consumer.seek(_place(source), position)
        self._places = places

    def _answered(self, _: object) -> None:
        self._tell()

    def close(self) -> None:
        """Closes the consumer."""
        self._consumer.discard()


def _place(source: TopicPartition) -> Any:
    return Place(source.topic, source.partition)
