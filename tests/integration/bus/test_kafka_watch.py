"""Who watches places on a real broker hears of what comes there, soon and again, and not of nothing."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator, Mapping

import pytest

from deploy.local.kafka import KafkaServer
from pairmill.bus.port import TopicPartition
from tests.fakes.kafka_broker import KafkaBroker
from tests.fakes.processes import wait_until
from tests.integration.bus.kafka_facts import new_place


@pytest.fixture
def broker(kafka_server: KafkaServer) -> Iterator[KafkaBroker]:
    with KafkaBroker((kafka_server.address,)) as broker:
        yield broker


class Hearing:
    """Notes when it is told."""

    def __init__(self, broker: KafkaBroker) -> None:
        self._broker = broker
        self._told: queue.SimpleQueue[float] = queue.SimpleQueue()

    def watch(self, places: Mapping[TopicPartition, int]) -> None:
        """Returns once it will be told; the leaders of new partitions are not known at first."""
        wait_until(lambda: self._broker.watch(places, lambda: self._told.put(time.monotonic())))

    def seconds(self, since: float) -> float:
        """Waits until it is told, and returns how long after a moment."""
        return self._told.get(timeout=30.0) - since

    def is_told(self) -> bool:
        return not self._told.empty()


def test_a_message_that_comes_is_heard_of_at_once(broker: KafkaBroker) -> None:
    place, hearing = new_place(broker), Hearing(broker)
    source = place.sources[2]
    hearing.watch(dict.fromkeys(place.sources, 0))
    for number in range(3):
        hearing.watch(dict.fromkeys(place.sources, 0) | {source: broker.end_offset(source)})
        assert not hearing.is_told()
        start = time.monotonic()
        place.publish(range(number, number + 1), partition=2)
        assert hearing.seconds(start) < 3


def test_what_stands_there_already_is_heard_of(broker: KafkaBroker) -> None:
    place, hearing = new_place(broker), Hearing(broker)
    place.publish(range(5))
    start = time.monotonic()
    hearing.watch(dict.fromkeys(place.sources, 0))
    assert hearing.seconds(start) < 20


def test_another_place_is_watched_from_the_end_of_the_fetch_under_way_on(broker: KafkaBroker) -> None:
    place, hearing = new_place(broker), Hearing(broker)
    one, both = dict.fromkeys(place.sources[:1], 0), dict.fromkeys(place.sources[:2], 0)
    hearing.watch(one)
    hearing.watch(both)
    place.publish(range(1), partition=1)
    hearing.seconds(time.monotonic())  # the fetch that knew of one place comes back, told in vain
    hearing.watch(both)
    assert hearing.seconds(time.monotonic()) < 3


def test_a13_a_place_whose_messages_are_gone_is_told_of_and_to_be_read_anew(broker: KafkaBroker) -> None:
    place, hearing = new_place(broker), Hearing(broker)
    place.publish(range(5))
    broker.trim(place.sources[0], 5)
    hearing.watch({place.sources[0]: 2})
    hearing.seconds(time.monotonic())


def test_a12_a_watch_may_be_closed_while_a_fetch_waits(kafka_server: KafkaServer) -> None:
    with KafkaBroker((kafka_server.address,)) as broker:
        hearing = Hearing(broker)
        hearing.watch(dict.fromkeys(new_place(broker).sources, 0))
        start = time.monotonic()
    assert time.monotonic() - start < 10
