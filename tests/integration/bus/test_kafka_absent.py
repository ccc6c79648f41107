"""A declared topic that is deleted under a running process, and comes back (A9)."""

from __future__ import annotations

import contextlib
import dataclasses
import uuid
from collections.abc import Iterator

import pytest

from deploy.local.kafka import KafkaServer
from pairmill.bus.kafka import KafkaBus
from pairmill.bus.port import Outgoing, TopicPartition
from pairmill.bus.settings import KafkaConfig
from pairmill.bus.topics import topic_partitions
from pairmill.errors import ConfigurationError, RetriableError
from pairmill.units import DEAD_LETTERS_TOPIC, LEDGER_TOPIC, PROGRESS_TOPIC
from tests.fakes.components import Servers
from tests.fakes.kafka_broker import PROMPT, KafkaBroker
from tests.fakes.kafka_child import until_it_works
from tests.integration.bus.kafka_facts import poll_until

HASTY = dataclasses.replace(PROMPT, request_timeout_seconds=2.0, delivery_timeout_seconds=3.0)
SLOW_TO_ASK = dataclasses.replace(HASTY, metadata_age_seconds=60.0)  # finds out by the broker's refusal


@pytest.fixture(scope="module")
def server(shared_servers: Servers) -> KafkaServer:
    """A broker of this module's own: the topics have the names that they have everywhere."""
    return shared_servers.start(KafkaServer)


@pytest.fixture
def operator(server: KafkaServer) -> Iterator[KafkaBroker]:
    """An operator, by whom all topics are there."""
    with KafkaBroker((server.address,)) as broker:
        for topic, count in topic_partitions(2).items():
            broker.create_topic(topic, count)
        yield broker


def letter(text: str, topic: str = DEAD_LETTERS_TOPIC) -> Outgoing:
    """Returns a message for a topic of one partition."""
    return Outgoing(topic=topic, partition=0, key=b"k", value=text.encode())


def require_waits(bus: KafkaBus, topic: str) -> None:
    """All that a running stage asks of a topic can be tried again, and says what to do."""
    with pytest.raises(RetriableError):
        bus.publish([letter("lost", topic)])
    with pytest.raises(RetriableError):
        bus.read(TopicPartition(topic, 0), start=0, max_records=5)
    with pytest.raises(RetriableError):
        bus.end_offset(TopicPartition(topic, 0))


def require_use(bus: KafkaBus, topic: str) -> None:
    """The topic, made anew, is used as if nothing had been."""
    bus.publish([letter("kept", topic)])
    found = bus.read(TopicPartition(topic, 0), start=0, max_records=5)
    assert [each.value for each in found] == [b"kept"]


@pytest.mark.faults
@pytest.mark.parametrize("topic", [DEAD_LETTERS_TOPIC, LEDGER_TOPIC])
@pytest.mark.parametrize("config", [HASTY, SLOW_TO_ASK], ids=["asks", "remembers"])
def test_a9_a_topic_deleted_under_a_process_is_waited_for(
    operator: KafkaBroker, server: KafkaServer, topic: str, config: KafkaConfig
) -> None:
    with KafkaBus((server.address,), config) as bus:
        bus.publish([letter("first", topic)])
        operator.delete_topic(topic)
        require_waits(bus, topic)
        operator.create_topic(topic, 1)
        require_use(bus, topic)


@pytest.mark.faults
def test_a9_a_topic_that_a_process_at_work_meets_absent_is_waited_for(
    operator: KafkaBroker, server: KafkaServer
) -> None:
    """Most processes write their first dead letter long after they started."""
    operator.delete_topic(DEAD_LETTERS_TOPIC)
    with (
        KafkaBus((server.address,), HASTY) as bus,
        bus.consumer(group="g", topics=[PROGRESS_TOPIC], member="a"),
    ):
        with pytest.raises(RetriableError, match="pairmill topics apply"):
            bus.partitions(DEAD_LETTERS_TOPIC)
        require_waits(bus, DEAD_LETTERS_TOPIC)
        with pytest.raises(ConfigurationError, match="not-ours"):
            bus.partitions("not-ours")
        operator.create_topic(DEAD_LETTERS_TOPIC, 1)
        require_use(bus, DEAD_LETTERS_TOPIC)


@pytest.mark.faults
def test_a9_a_member_outlives_the_absence_of_its_topic(operator: KafkaBroker, server: KafkaServer) -> None:
    with (
        KafkaBus((server.address,), HASTY) as bus,
        bus.consumer(group="outliving", topics=[PROGRESS_TOPIC], member="a") as consumer,
    ):
        poll_until(consumer, lambda _: len(consumer.assignment()) == 1)
        operator.delete_topic(PROGRESS_TOPIC)
        with pytest.raises(RetriableError):
            bus.partitions(PROGRESS_TOPIC)
        with contextlib.suppress(RetriableError):
            assert consumer.poll(max_records=5, timeout_seconds=1.0) == []
        with contextlib.suppress(RetriableError):
            consumer.lag()
        operator.create_topic(PROGRESS_TOPIC, 1)
        bus.publish([letter("new", PROGRESS_TOPIC)])
        came = poll_until(consumer, bool)
        assert [each.value for each in came] == [b"new"]


@pytest.mark.faults
def test_a9_a_topic_that_is_absent_from_the_start_is_waited_for(
    operator: KafkaBroker, server: KafkaServer
) -> None:
    """Processes may start before anybody has applied the topics."""
    operator.delete_topic(PROGRESS_TOPIC)
    with KafkaBus((server.address,), HASTY) as bus:
        with pytest.raises(RetriableError, match="pairmill topics apply"):
            bus.partitions(PROGRESS_TOPIC)
        with bus.consumer(group="early", topics=[PROGRESS_TOPIC], member="a") as consumer:
            with contextlib.suppress(RetriableError):
                assert consumer.poll(max_records=5, timeout_seconds=1.0) == []
            operator.create_topic(PROGRESS_TOPIC, 1)
            until_it_works(lambda: bus.publish([letter("new", PROGRESS_TOPIC)]))
            came = poll_until(consumer, bool)
            assert [each.value for each in came] == [b"new"]


def test_a_topic_that_is_not_ours_is_a_wrong_configuration(
    operator: KafkaBroker, server: KafkaServer
) -> None:
    with KafkaBus((server.address,), HASTY) as bus, pytest.raises(ConfigurationError, match="not-ours"):
        bus.consumer(group="g", topics=[LEDGER_TOPIC, "not-ours"], member="a")


def test_u6_partitions_added_under_a_producer_can_be_published_to(
    operator: KafkaBroker, server: KafkaServer
) -> None:
    """The producer asks for a topic's partitions now and then, and the bus may know of new ones before."""
    topic = f"growing-{uuid.uuid4().hex[:8]}"
    operator.create_topic(topic, 1)
    with KafkaBus((server.address,), HASTY) as bus:
        bus.publish([letter("first", topic)])
        operator.admin.add_partitions(topic, 2)
        grown = Outgoing(topic=topic, partition=1, key=b"k", value=b"second")
        until_it_works(lambda: bus.publish([grown]))
        found = bus.read(TopicPartition(topic, 1), start=0, max_records=5)
        assert {each.value for each in found} == {b"second"}
