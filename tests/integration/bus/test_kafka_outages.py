"""A broker that is killed, restarted or stands still while it is used (A12)."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator

import pytest

from deploy.local.kafka import KafkaServer
from pairmill.errors import RetriableError
from tests.fakes.components import Servers
from tests.fakes.kafka_broker import PROMPT, KafkaBroker
from tests.fakes.kafka_child import until_it_works
from tests.fakes.kafka_sockets import collect_sockets
from tests.fakes.processes import Child, wait_until
from tests.integration.bus.kafka_facts import (
    PARTITIONS,
    assert_whole,
    new_place,
    numbers,
    poll_until,
)

CHILD = "tests.fakes.kafka_child"
HASTY = dataclasses.replace(PROMPT, request_timeout_seconds=2.0, delivery_timeout_seconds=3.0)

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
"""The client leaves a socket that could not connect to the collector of garbage."""


@pytest.fixture(autouse=True)
def collected(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    collect_sockets(caplog)  # while the filter above holds


@pytest.fixture(scope="module")
def server(shared_servers: Servers) -> KafkaServer:
    """A broker of this module's own; each test leaves it running."""
    return shared_servers.start(KafkaServer)


@pytest.mark.faults
@pytest.mark.long
def test_a12_a_broker_killed_and_restarted_loses_nothing_acknowledged(server: KafkaServer) -> None:
    with KafkaBroker((server.address,)) as broker:
        place = new_place(broker)
        with (
            Child(CHILD, "produce", server.address, place.topic, "p", "200", str(PARTITIONS)) as producer,
            Child(CHILD, "consume", server.address, place.topic, place.group, "a") as consumer,
        ):
            for lines in (50, 120):
                producer.wait_for_lines(lines)
                server.kill()
                server.start()
            assert producer.wait(120) == 0
            wait_until(lambda: set(consumer.lines) >= set(producer.lines))
            received = set(consumer.kill())
        assert len(producer.lines) == 200
        assert_whole(place, producer.lines, received)


@pytest.mark.faults
def test_a12_a_broker_that_stands_still_past_the_time_out_is_waited_for(server: KafkaServer) -> None:
    with KafkaBroker((server.address,), HASTY) as broker:
        place = new_place(broker)
        place.publish(range(3))
        with place.consumer() as consumer:
            poll_until(consumer, lambda came: len(came) == 3)
            server.pause()
            try:
                with pytest.raises(RetriableError):
                    place.publish(range(3, 4))
                with pytest.raises(RetriableError):
                    broker.ping()
                assert consumer.poll(max_records=5, timeout_seconds=0.5) == []
            finally:
                server.resume()
            until_it_works(lambda: place.publish(range(4, 6)))  # some time passes until it leads again
            came = numbers(poll_until(consumer, lambda came: 5 in numbers(came)))
            assert set(came) >= {4, 5}
            end = dict.fromkeys(place.sources[:1], broker.end_offset(place.sources[0]))

            def caught_up() -> bool:
                """A member that was given up meanwhile joins again first; until then a commit is ignored."""
                consumer.poll(max_records=50, timeout_seconds=0.2)
                consumer.commit(end)
                return place.lag() == 0

            wait_until(caught_up)


@pytest.mark.faults
def test_a12_a_broker_that_is_away_is_said_at_once_and_found_again(server: KafkaServer) -> None:
    with KafkaBroker((server.address,), HASTY) as broker:
        place = new_place(broker)
        place.publish(range(2))
        server.kill()
        with pytest.raises(RetriableError):
            place.publish(range(2, 3))
        with pytest.raises(RetriableError):
            broker.ping()
        with pytest.raises(RetriableError):
            broker.read(place.sources[0], start=0, max_records=10)
        server.start()
        until_it_works(broker.ping)
        until_it_works(lambda: place.publish(range(3, 5)))
        assert [value for value in dict.fromkeys(place.log()) if value != "2"] == ["0", "1", "3", "4"]


@pytest.mark.faults
def test_a_member_ends_in_time_while_the_broker_stands_still(server: KafkaServer) -> None:
    with KafkaBroker((server.address,)) as broker:
        place = new_place(broker)
        consumer = place.consumer()
        poll_until(consumer, lambda _: len(consumer.assignment()) == PARTITIONS)
        server.pause()
        try:
            closing = threading.Thread(target=consumer.close)
            closing.start()
            closing.join(PROMPT.request_timeout_seconds)
            assert not closing.is_alive()
        finally:
            server.resume()
