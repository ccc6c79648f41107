"""Three brokers that hold everything three times: one may die, with two away publishing waits (A12)."""

from __future__ import annotations

import dataclasses
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from deploy.local.kafka import KafkaCluster, KafkaOptions
from pairmill.bus.topic_declarations import read_declarations
from pairmill.errors import RetriableError
from tests.fakes.components import Servers
from tests.fakes.kafka_broker import PROMPT, KafkaBroker
from tests.fakes.kafka_child import until_it_works
from tests.fakes.kafka_sockets import collect_sockets
from tests.fakes.processes import Child, wait_until
from tests.integration.bus.kafka_facts import (
    PARTITIONS,
    Place,
    assert_whole,
    numbers,
    poll_until,
)

CHILD = "tests.fakes.kafka_child"
BROKERS = 3
SECONDS = "120"  # until a record is given up: the client's own tries, which are idempotent, come first
HASTY = dataclasses.replace(PROMPT, request_timeout_seconds=2.0, delivery_timeout_seconds=3.0)
PATIENT = dataclasses.replace(PROMPT, request_timeout_seconds=5.0, delivery_timeout_seconds=120.0)

pytestmark = [
    pytest.mark.faults,
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]
"""The client leaves a socket that could not connect to the collector of garbage."""


@pytest.fixture(autouse=True)
def collected(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    collect_sockets(caplog)  # while the filter above holds


@pytest.fixture(scope="module")
def cluster(shared_servers: Servers) -> KafkaCluster:
    """Brokers of this module's own; each test leaves them running."""
    options = KafkaOptions(heap_megabytes=256)
    return shared_servers.start(lambda folder: KafkaCluster(folder, brokers=BROKERS, options=options))


@pytest.fixture
def place(cluster: KafkaCluster) -> Iterator[Place]:
    """A topic with the settings that `pairmill topics apply` gives to those of tasks."""
    name = uuid.uuid4().hex[:8]
    (declared,) = (each for each in read_declarations().topics if each.name == "embed-tasks")
    with KafkaBroker(cluster.servers) as broker:
        settings = declared.settings_for(BROKERS)
        broker.admin.create_topic(f"topic-{name}", PARTITIONS, replication=BROKERS, settings=settings)
        assert broker.admin.topic_settings(f"topic-{name}", ("min.insync.replicas",)) == {
            "min.insync.replicas": "2"
        }
        yield Place(broker, f"topic-{name}", f"group-{name}")


def wait_in_sync(place: Place, brokers: int = BROKERS) -> None:
    """Waits until so many brokers have everything."""

    def are_in_sync() -> bool:
        try:
            return all(len(each.in_sync) >= brokers for each in place.broker.admin.keepers(place.topic))
        except RetriableError:
            return False

    wait_until(are_in_sync)


def leader(place: Place, partition: int = 0) -> int:
    """Returns the node that leads a partition now."""
    return place.broker.admin.keepers(place.topic)[partition].leader


def test_a12_leaders_killed_under_publishing_and_polling_lose_and_double_nothing(
    cluster: KafkaCluster, place: Place
) -> None:
    servers = ",".join(cluster.servers)
    arguments = ("produce", servers, place.topic, "p", "300", str(PARTITIONS), SECONDS)
    with (
        Child(CHILD, *arguments) as producer,
        Child(CHILD, "consume", servers, place.topic, place.group, "a") as consumer,
    ):
        for lines in (60, 160):
            producer.wait_for_lines(lines)
            victim = cluster.broker(leader(place))
            victim.kill()
            producer.wait_for_lines(lines + 40)  # the others have taken over
            victim.start()
            wait_in_sync(place)
        assert producer.wait(120) == 0
        wait_until(lambda: set(consumer.lines) >= set(producer.lines))
        received = set(consumer.kill())
    assert len(producer.lines) == 300
    assert_whole(place, producer.lines, received)
    stored = [value for partition in range(PARTITIONS) for value in place.log(partition)]
    assert len(stored) == len(set(stored)), "none twice"


def test_a12_two_of_three_brokers_away_are_said_and_waited_for(cluster: KafkaCluster, place: Place) -> None:
    place.publish(range(3))
    wait_in_sync(place)
    with (
        KafkaBroker(cluster.servers, HASTY) as hasty,
        KafkaBroker(cluster.servers, PATIENT) as patient,
        place.consumer() as consumer,
    ):
        poll_until(consumer, lambda came: len(came) == 3)
        away = [broker for broker in cluster.brokers if broker is not cluster.broker(leader(place))]
        for broker in away:
            broker.kill()
        with pytest.raises(RetriableError, match=place.topic):
            hasty.publish([place.outgoing(3)])
        waiting = in_background(patient, place)
        assert consumer.poll(max_records=5, timeout_seconds=0.5) == []
        assert not waiting.done()
        for broker in away:
            broker.launch()
        for broker in away:
            broker.wait_ready()
        waiting.result(60)
        until_it_works(lambda: hasty.publish([place.outgoing(5)]))
        came = numbers(poll_until(consumer, lambda came: 5 in numbers(came)))
    assert {4, 5} <= set(came)
    log = [value for value in dict.fromkeys(place.log()) if value != "3"]  # which nobody was promised
    assert log == ["0", "1", "2", "4", "5"]


def in_background(broker: KafkaBroker, place: Place) -> Future[None]:
    """Has number 4 published by another thread, again where that fails at once, and returns when it began."""
    begun = threading.Event()

    def publish() -> None:
        begun.set()
        until_it_works(lambda: broker.publish([place.outgoing(4)]))

    pool = ThreadPoolExecutor(1)
    future = pool.submit(publish)
    pool.shutdown(wait=False)
    assert begun.wait(10)
    return future
