"""What was fetched of a partition that is paused meanwhile is delivered once it is resumed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.local.kafka import KafkaServer
from pairmill.bus.port import Message
from tests.fakes.kafka_broker import KafkaBroker
from tests.fakes.processes import wait_until
from tests.integration.bus.kafka_facts import new_place


@pytest.fixture(scope="module")
def broker(kafka_server: KafkaServer) -> Iterator[KafkaBroker]:
    with KafkaBroker((kafka_server.address,)) as broker:
        yield broker


def test_a5_a_partition_paused_in_the_middle_of_a_batch_goes_on_after_others_were_read(
    broker: KafkaBroker,
) -> None:
    """The client sets the rest of the batch aside, and has other partitions to read before it may go on."""
    place = new_place(broker)
    place.publish(range(10), partition=0)
    received: list[Message] = []
    with place.consumer() as consumer:

        def poll() -> bool:
            received.extend(consumer.poll(max_records=2, timeout_seconds=0.5))
            return bool(received)

        wait_until(poll)
        consumer.pause(frozenset(place.sources[:1]))
        received.extend(consumer.poll(max_records=2, timeout_seconds=0.5))
        place.publish(range(10, 20), partition=1)
        wait_until(lambda: poll() and sum(message.partition == 1 for message in received) == 10)
        consumer.resume(frozenset(place.sources[:1]))
        wait_until(lambda: poll() and len(received) == 20)
    assert sorted(int(message.value) for message in received) == list(range(20))
