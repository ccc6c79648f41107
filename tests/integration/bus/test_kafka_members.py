"""Members of a group on a real broker: killed, added, asleep, and topics that change under them."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator

import pytest

from deploy.local.kafka import KafkaServer
from pairmill.bus.port import TopicPartition
from pairmill.errors import RetriableError
from tests.fakes.kafka_broker import PROMPT, SESSION_SECONDS, KafkaBroker
from tests.fakes.processes import Child, wait_until
from tests.integration.bus.kafka_facts import PARTITIONS, Place, new_place, numbers, poll_until

CHILD = "tests.fakes.kafka_child"


@pytest.fixture(scope="module")
def broker(kafka_server: KafkaServer) -> Iterator[KafkaBroker]:
    with KafkaBroker((kafka_server.address,)) as broker:
        yield broker


@pytest.fixture
def place(broker: KafkaBroker) -> Place:
    return new_place(broker)


@pytest.fixture
def server(kafka_server: KafkaServer) -> str:
    return kafka_server.address


def test_a1_killed_members_lose_nothing(place: Place, server: str) -> None:
    draw, received = random.Random(6), set[str]()
    for partition in range(PARTITIONS):
        place.publish(range(partition, 1200, PARTITIONS), partition)
    for life in range(10):
        with (
            Child(CHILD, "consume", server, place.topic, place.group, "a") as first,
            Child(CHILD, "consume", server, place.topic, place.group, "b") as second,
        ):
            enough = draw.randrange(5, 400) if life < 2 else 10_000

            def has_news(children: tuple[Child, ...] = (first, second), enough: int = enough) -> bool:
                return sum(len(child.lines) for child in children) >= enough or not place.lag()

            wait_until(has_news)
            received.update(first.kill())
            received.update(second.kill())
        if not place.lag():
            break
    assert place.lag() == 0
    assert received == {str(number) for number in range(1200)}


def test_a1_a_killed_producer_leaves_what_was_acknowledged(place: Place, server: str) -> None:
    draw, promised = random.Random(5), list[str]()
    for life in range(3):
        arguments = ("produce", server, place.topic, f"p{life}", "100000", str(PARTITIONS))
        with Child(CHILD, *arguments) as child:
            child.wait_for_lines(draw.randrange(1, 60))
            promised.extend(child.kill())
    stored = [value for partition in range(PARTITIONS) for value in place.log(partition)]
    assert set(stored) >= set(promised)
    assert len(stored) == len(set(stored)), "none twice"
    assert len(stored) <= len(promised) + 3, "at most the message at hand was not acknowledged"


def test_a4_a_member_killed_and_restarted_within_its_session_gets_its_partitions_at_once(
    place: Place, server: str
) -> None:
    """Static membership: nobody else sees the restart (U10)."""
    with place.consumer("b") as other:
        with Child(CHILD, "consume", server, place.topic, place.group, "a") as child:
            poll_until(other, lambda _: len(other.assignment()) == PARTITIONS // 2)
            generation = other.generation()
            child.kill()
        with place.consumer("a") as again:
            poll_until(again, lambda _: len(again.assignment()) == PARTITIONS // 2)
            other.poll(max_records=1, timeout_seconds=0.5)
            assert other.generation() == generation
            assert not again.assignment() & other.assignment()


def test_a15_a_member_asleep_past_its_session_comes_back_without_harm(place: Place, server: str) -> None:
    with Child(CHILD, "consume", server, place.topic, place.group, "a") as sleeper:
        place.publish(range(5))
        sleeper.wait_for_lines(5)
        sleeper.signal(signal.SIGSTOP)
        with place.consumer("b") as other:
            poll_until(other, lambda _: len(other.assignment()) == PARTITIONS)
            place.publish(range(5, 10))
            came = poll_until(other, lambda came: 9 in numbers(came))
            sleeper.signal(signal.SIGCONT)
            poll_until(other, lambda _: len(other.assignment()) == PARTITIONS // 2)
            other.commit({came[-1].source: came[-1].offset + 1})
        wait_until(lambda: sleeper.running)


def test_a4_members_come_and_go_under_load_and_nothing_is_lost(place: Place, server: str) -> None:
    received: set[str] = set()
    producing = ("produce", server, place.topic, "p", "400", str(PARTITIONS))
    with (
        Child(CHILD, *producing) as producer,
        Child(CHILD, "consume", server, place.topic, place.group, "steady") as steady,
    ):
        for turn in range(3):
            with Child(CHILD, "consume", server, place.topic, place.group, f"guest-{turn}") as guest:
                producer.wait_for_lines(100 * (turn + 1))
                received.update(guest.kill())
        assert producer.wait() == 0
        wait_until(lambda: place.lag() == 0)
        received.update(steady.kill())
    assert received == {f"p-{number}" for number in range(400)}


def test_a5_a_member_that_waits_for_long_work_keeps_its_place(place: Place) -> None:
    place.publish(range(3))
    with place.consumer() as consumer:
        came = poll_until(consumer, lambda came: len(came) == 3)
        consumer.pause(frozenset(place.sources))
        generation, until = consumer.generation(), time.monotonic() + 2 * PROMPT.max_poll_interval_seconds
        while time.monotonic() < until:
            assert consumer.poll(max_records=10, timeout_seconds=0.5) == []
        assert consumer.generation() == generation
        consumer.commit({came[-1].source: came[-1].offset + 1})
    assert place.lag() == 0


def test_a5_a_member_that_did_not_poll_for_too_long_takes_its_place_again(place: Place) -> None:
    with place.consumer() as consumer:
        poll_until(consumer, lambda _: len(consumer.assignment()) == PARTITIONS)
        wait_until(lambda: not place.broker.has_member(place.group, "a"))
        place.publish(range(3))
        assert numbers(poll_until(consumer, lambda came: len(came) == 3)) == [0, 1, 2]
        consumer.commit({TopicPartition(place.topic, 0): 3})
    assert place.lag() == 0


def test_a_commit_during_a_rebalance_is_made_up_for(place: Place) -> None:
    """Else a partition that nothing more arrives on would show lag for ever."""
    place.publish(range(5))
    with place.consumer("a") as first:
        poll_until(first, lambda came: len(came) == 5)
        with place.consumer("b") as second:
            for _ in range(200):  # a joins anew inside its polls, b between them
                first.poll(max_records=1, timeout_seconds=0)
                first.commit({TopicPartition(place.topic, 0): 5})
                second.poll(max_records=1, timeout_seconds=0)
                if len(second.assignment()) == PARTITIONS // 2:
                    break
            poll_until(first, lambda _: len(first.assignment()) == PARTITIONS // 2)
            wait_until(lambda: not first.poll(max_records=1, timeout_seconds=0.1) and place.lag() == 0)


def test_a14_a_group_deleted_under_its_members_starts_from_the_oldest(place: Place) -> None:
    place.publish(range(4))
    with place.consumer() as consumer:
        came = poll_until(consumer, lambda came: len(came) == 4)
        consumer.commit({came[-1].source: came[-1].offset + 1})
        place.broker.delete_group(place.group)
        assert numbers(poll_until(consumer, lambda came: len(came) == 4)) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "partitions",
    [
        PARTITIONS - 2,
        *(pytest.param(count, marks=pytest.mark.long) for count in (PARTITIONS, PARTITIONS + 2)),
    ],
)
def test_a13_a_topic_made_anew_is_read_whole_although_it_reaches_beyond_the_old_place(
    place: Place, partitions: int
) -> None:
    place.publish(range(5))
    with place.consumer() as consumer:
        came = poll_until(consumer, lambda came: len(came) == 5)
        consumer.commit({came[-1].source: came[-1].offset + 1})
        generation = consumer.generation()
        place.broker.delete_topic(place.topic)
        place.broker.create_topic(place.topic, partitions)
        place.publish(range(100, 110))
        poll_until(consumer, lambda came: set(numbers(came)) >= set(range(100, 110)))
        poll_until(consumer, lambda _: len(consumer.assignment()) == partitions)
        assert consumer.generation() > generation, "so that what is in hand of the old topic is given up"


def test_a9_a_topic_that_is_gone_is_waited_for(place: Place) -> None:
    place.publish(range(2))
    with place.consumer() as consumer:
        poll_until(consumer, lambda came: len(came) == 2)
        place.broker.delete_topic(place.topic)
        with pytest.raises(RetriableError, match="is not there"):
            place.publish(range(1))
        for _ in range(5):
            assert consumer.poll(max_records=10, timeout_seconds=0.2) == []
        place.broker.create_topic(place.topic, PARTITIONS)
        place.publish(range(7, 9))
        assert set(numbers(poll_until(consumer, lambda came: len(came) >= 2))) == {7, 8}


def test_u10_a_member_whose_name_was_taken_returns_once_the_other_is_gone(place: Place) -> None:
    with place.consumer("a") as first:
        poll_until(first, lambda _: len(first.assignment()) == PARTITIONS)
        with place.consumer("a") as second:
            poll_until(second, lambda _: len(second.assignment()) == PARTITIONS)
            poll_until(first, lambda _: not first.assignment())
        poll_until(first, lambda _: len(first.assignment()) == PARTITIONS, seconds=20 * SESSION_SECONDS)


def test_lag_is_asked_for_at_most_once_a_second(place: Place) -> None:
    place.publish(range(3))
    with place.consumer() as consumer:
        poll_until(consumer, lambda _: len(consumer.assignment()) == PARTITIONS)
        assert sum(consumer.lag().values()) == 3
        place.publish(range(3))
        start, asked = time.monotonic(), 0
        while time.monotonic() - start < 0.5:
            assert sum(consumer.lag().values()) == 3
            asked += 1
        assert asked > 500, "what is known costs next to nothing"
        wait_until(lambda: sum(consumer.lag().values()) == 6)
