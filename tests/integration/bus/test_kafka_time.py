"""The broker's time for a process whose machine has another (A16)."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from deploy.local.kafka import KafkaServer
from pairmill.bus.kafka import KafkaBus
from pairmill.bus.port import TopicPartition
from pairmill.units import PROGRESS_TOPIC
from tests.fakes.components import Servers
from tests.fakes.kafka_broker import PROMPT, KafkaBroker
from tests.integration.bus.kafka_facts import new_place, poll_until

HOUR_SECONDS = 3600.0
NEAR = timedelta(seconds=5)


@pytest.fixture(scope="module")
def server(shared_servers: Servers) -> KafkaServer:
    """A broker of this module's own: whether it has a topic of signs of life matters."""
    return shared_servers.start(KafkaServer)


def bus_off_by(server: KafkaServer, seconds: float) -> KafkaBus:
    """Returns the bus of a machine whose clock is wrong."""
    return KafkaBus((server.address,), PROMPT, wall=lambda: time.time() + seconds)


def test_a16_where_nothing_can_be_published_what_came_bounds_the_time(server: KafkaServer) -> None:
    with KafkaBroker((server.address,)) as operator, bus_off_by(server, HOUR_SECONDS) as bus:
        operator.delete_topic(PROGRESS_TOPIC)
        place = new_place(operator)
        place.publish(range(3))
        with bus.consumer(group=place.group, topics=[place.topic], member="a") as consumer:
            came = poll_until(consumer, lambda came: len(came) == 3)
            assert timedelta(0) <= bus.now() - max(each.appended_at for each in came) < NEAR


@pytest.mark.parametrize("seconds", [HOUR_SECONDS, -HOUR_SECONDS], ids=["ahead", "behind"])
def test_a16_a_process_knows_the_time_before_its_first_work(server: KafkaServer, seconds: float) -> None:
    with KafkaBroker((server.address,)) as operator:
        operator.create_topic(PROGRESS_TOPIC, 1)
        source = TopicPartition(PROGRESS_TOPIC, 0)
        before = operator.end_offset(source)
        with bus_off_by(server, seconds) as bus:
            assert abs(bus.now() - datetime.now(UTC)) < NEAR
            assert abs(bus.now() - datetime.now(UTC)) < NEAR
        asked = operator.read(source, start=before, max_records=10)
        assert [(each.key, each.value) for each in asked] == [(b"", b"")], "asked once"
