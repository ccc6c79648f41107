"""What every bus promises, whatever the broker. Subclasses give the bus."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

import pytest

from pairmill.bus.port import Bus, BusAdmin, Consumer, Message, Outgoing, TopicPartition
from pairmill.errors import ConfigurationError

PATIENCE_SECONDS: Final = 30.0
TOPIC: Final = "work"
TWIN: Final = "work-later"
GROUP: Final = "group"
PARTITIONS: Final = 4


class Broker(Bus, BusAdmin, Protocol):
    """A bus together with what operators do to it."""


def message(number: int, *, topic: str = TOPIC, partition: int = 0, value: bytes | None = None) -> Outgoing:
    """Returns a message that carries its number."""
    return Outgoing(
        topic=topic,
        partition=partition,
        key=f"k{number}".encode(),
        value=str(number).encode() if value is None else value,
    )


def publish(bus: Bus, count: int, *, topic: str = TOPIC, partition: int = 0) -> None:
    """Publishes messages numbered from 0."""
    bus.publish([message(number, topic=topic, partition=partition) for number in range(count)])


def consume(
    consumer: Consumer, enough: Callable[[list[Message]], bool], seconds: float = PATIENCE_SECONDS
) -> list[Message]:
    """Polls until what came is enough."""
    deadline, came = time.monotonic() + seconds, list[Message]()
    while not enough(came):
        assert time.monotonic() < deadline, f"only {len(came)} messages came in time"
        came.extend(consumer.poll(max_records=50, timeout_seconds=0.2))
    return came


def consume_count(consumer: Consumer, count: int) -> list[Message]:
    """Polls until so many messages came."""
    return consume(consumer, lambda came: len(came) >= count)


def assert_soon(condition: Callable[[], bool]) -> None:
    """Fails if a condition does not come about."""
    deadline, pause = time.monotonic() + PATIENCE_SECONDS, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        pause.wait(0.05)


def settle(consumers: Sequence[Consumer], owned: Callable[[], bool]) -> None:
    """Lets members poll until they own what they should."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not owned():
        assert time.monotonic() < deadline, "the assignment did not come about in time"
        for consumer in consumers:
            consumer.poll(max_records=1, timeout_seconds=0.05)


def values(messages: Sequence[Message]) -> list[int]:
    """Returns the numbers that messages carry."""
    return [int(each.value) for each in messages]


SOURCE: Final = TopicPartition(TOPIC, 0)
ALL: Final = frozenset(TopicPartition(TOPIC, part) for part in range(PARTITIONS))


class BusContract:
    """Run by pytest for each subclass, which has to override the fixture `bus`."""

    @pytest.fixture
    def bus(self) -> Broker:
        """A broker without topics, that gives up a silent member after some seconds."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def topics(self, bus: Broker) -> None:
        bus.create_topic(TOPIC, PARTITIONS)
        bus.create_topic(TWIN, PARTITIONS)

    @pytest.fixture
    def consumer(self, bus: Broker) -> Iterator[Consumer]:
        with bus.consumer(group=GROUP, topics=[TOPIC], member="a") as consumer:
            yield consumer

    # Messages

    def test_a_message_arrives_as_it_was_published(self, bus: Broker, consumer: Consumer) -> None:
        sent = Outgoing(
            topic=TOPIC, partition=2, key=b"\x00key", value=b"\xff\x00", headers=(("h", b"\x00"), ("h", b"2"))
        )
        before = bus.now()
        bus.publish([sent])
        came = consume_count(consumer, 1)[0]
        assert (came.topic, came.partition, came.key, came.value) == (TOPIC, 2, sent.key, sent.value)
        assert came.headers == sent.headers
        assert abs((came.appended_at - before).total_seconds()) < PATIENCE_SECONDS
        assert came.source == TopicPartition(TOPIC, 2)

    def test_order_holds_within_each_partition(self, bus: Broker, consumer: Consumer) -> None:
        for number in range(200):
            bus.publish([message(number, partition=number % PARTITIONS)])
        came = consume_count(consumer, 200)
        for partition in range(PARTITIONS):
            there = [each for each in came if each.partition == partition]
            assert values(there) == list(range(partition, 200, PARTITIONS))
            assert [each.offset for each in there] == sorted(each.offset for each in there)

    def test_a11_large_values_pass(self, bus: Broker, consumer: Consumer) -> None:
        large = bytes(range(256)) * 3600  # 900 kB: below every broker's default limit
        bus.publish([message(1, value=large)])
        assert consume_count(consumer, 1)[0].value == large

    def test_a_poll_returns_at_most_what_was_asked_for(self, bus: Broker, consumer: Consumer) -> None:
        publish(bus, 60)
        publish(bus, 60, partition=1)
        came = list[Message]()
        while len(came) < 120:
            batch = consumer.poll(max_records=10, timeout_seconds=5)
            assert 0 < len(batch) <= 10, "what is there comes without waiting for news"
            came.extend(batch)

    def test_a_read_needs_no_group(self, bus: Broker) -> None:
        publish(bus, 10)
        assert values(bus.read(SOURCE, start=0, max_records=100)) == list(range(10))
        first = bus.read(SOURCE, start=0, max_records=4)
        assert values(bus.read(SOURCE, start=first[-1].offset + 1, max_records=3)) == [4, 5, 6]
        assert bus.read(SOURCE, start=bus.end_offset(SOURCE), max_records=10) == []

    def test_the_end_offset_lies_above_every_message(self, bus: Broker) -> None:
        assert bus.end_offset(SOURCE) == 0
        publish(bus, 3)
        last = bus.read(SOURCE, start=0, max_records=10)[-1]
        assert bus.end_offset(SOURCE) > last.offset

    def test_the_start_offset_is_that_of_the_oldest_message_or_the_end(self, bus: Broker) -> None:
        assert bus.start_offset(SOURCE) == bus.end_offset(SOURCE)
        publish(bus, 10)
        assert bus.start_offset(SOURCE) == bus.read(SOURCE, start=0, max_records=1)[0].offset
        kept = bus.read(SOURCE, start=0, max_records=10)[6]
        bus.trim(SOURCE, kept.offset)
        assert bus.start_offset(SOURCE) == kept.offset
        bus.trim(SOURCE, bus.end_offset(SOURCE))
        assert bus.start_offset(SOURCE) == bus.end_offset(SOURCE)

    def test_an_unknown_topic_is_a_wrong_configuration(self, bus: Broker) -> None:
        with pytest.raises(ConfigurationError, match="nowhere"):
            bus.partitions("nowhere")
        with pytest.raises(ConfigurationError, match="nowhere"):
            bus.consumer(group=GROUP, topics=["nowhere"], member="a")
        with pytest.raises(ConfigurationError, match="nowhere"):
            bus.publish([message(1, topic="nowhere")])
        with pytest.raises(ConfigurationError):
            bus.publish([message(1, partition=PARTITIONS)])

    # Offsets

    def test_a_group_goes_on_where_it_committed(self, bus: Broker) -> None:
        publish(bus, 10)
        with bus.consumer(group=GROUP, topics=[TOPIC], member="a") as first:
            came = consume_count(first, 10)
            first.commit({SOURCE: came[6].offset})
        assert bus.committed(GROUP, SOURCE) == came[6].offset
        with bus.consumer(group=GROUP, topics=[TOPIC], member="b") as second:
            assert values(consume_count(second, 4)) == [6, 7, 8, 9]

    def test_a1_what_was_not_committed_is_delivered_again(self, bus: Broker) -> None:
        publish(bus, 5)
        for member in ("a", "b", "c"):
            with bus.consumer(group=GROUP, topics=[TOPIC], member=member) as consumer:
                assert values(consume_count(consumer, 5)) == list(range(5))
        assert bus.committed(GROUP, SOURCE) is None

    def test_groups_do_not_disturb_each_other(self, bus: Broker, consumer: Consumer) -> None:
        publish(bus, 3)
        consumer.commit({SOURCE: consume_count(consumer, 3)[-1].offset + 1})
        with bus.consumer(group="other", topics=[TOPIC], member="a") as other:
            assert values(consume_count(other, 3)) == [0, 1, 2]

    def test_the_lag_is_what_lies_after_the_commit(self, bus: Broker, consumer: Consumer) -> None:
        publish(bus, 10)
        came = consume_count(consumer, 10)
        assert sum(consumer.lag().values()) == 10
        consumer.commit({SOURCE: came[3].offset + 1})
        assert consumer.lag()[SOURCE] == 6
        assert consumer.lag().keys() == ALL

    def test_a13_gaps_between_offsets_are_passed_over(self, bus: Broker) -> None:
        publish(bus, 10)
        kept = bus.read(SOURCE, start=0, max_records=10)[6]
        bus.trim(SOURCE, kept.offset)
        assert values(bus.read(SOURCE, start=0, max_records=10)) == [6, 7, 8, 9]
        with bus.consumer(group=GROUP, topics=[TOPIC], member="a") as consumer:
            assert values(consume_count(consumer, 4)) == [6, 7, 8, 9]

    def test_a13_records_that_are_gone_do_not_stop_a_member(self, bus: Broker, consumer: Consumer) -> None:
        publish(bus, 2)
        consume_count(consumer, 2)
        publish(bus, 5)
        bus.trim(SOURCE, bus.end_offset(SOURCE))
        bus.publish([message(77)])
        assert 77 in values(consume(consumer, lambda came: any(each.value == b"77" for each in came)))

    def test_a14_a_deleted_group_starts_from_the_oldest(self, bus: Broker) -> None:
        publish(bus, 4)
        with bus.consumer(group=GROUP, topics=[TOPIC], member="a") as consumer:
            consumer.commit({SOURCE: consume_count(consumer, 4)[-1].offset + 1})
        bus.delete_group(GROUP)
        assert bus.committed(GROUP, SOURCE) is None
        with bus.consumer(group=GROUP, topics=[TOPIC], member="a") as consumer:
            assert values(consume_count(consumer, 4)) == [0, 1, 2, 3]

    @pytest.mark.parametrize(("to_end", "expected"), [(False, [0, 1, 2, 3, 9]), (True, [9])])
    def test_a14_offsets_may_be_reset(self, bus: Broker, to_end: bool, expected: list[int]) -> None:
        publish(bus, 4)
        with bus.consumer(group=GROUP, topics=[TOPIC], member="a") as consumer:
            consumer.commit({SOURCE: consume_count(consumer, 4)[1].offset})
        bus.reset_offsets(GROUP, TOPIC, to_end=to_end)
        bus.publish([message(9)])
        with bus.consumer(group=GROUP, topics=[TOPIC], member="a") as consumer:
            assert values(consume_count(consumer, len(expected))) == expected

    def test_a13_a_topic_made_anew_has_another_epoch(self, bus: Broker) -> None:
        publish(bus, 3)
        before = bus.topic_epoch(TOPIC)
        assert bus.topic_epoch(TOPIC) == before
        bus.delete_topic(TOPIC)
        bus.create_topic(TOPIC, 2)
        assert bus.topic_epoch(TOPIC) != before
        assert bus.partitions(TOPIC) == 2
        assert bus.read(SOURCE, start=0, max_records=10) == []

    def test_a13_a_member_reads_a_topic_made_anew_from_its_start(
        self, bus: Broker, consumer: Consumer
    ) -> None:
        publish(bus, 5)
        consumer.commit({SOURCE: consume_count(consumer, 5)[-1].offset + 1})
        bus.delete_topic(TOPIC)
        bus.create_topic(TOPIC, PARTITIONS)
        bus.publish([message(50), message(51)])
        assert values(consume_count(consumer, 2)) == [50, 51]

    def test_an_existing_topic_is_left_as_it_is(self, bus: Broker) -> None:
        publish(bus, 3)
        epoch = bus.topic_epoch(TOPIC)
        bus.create_topic(TOPIC, PARTITIONS)
        assert (bus.topic_epoch(TOPIC), bus.end_offset(SOURCE)) == (epoch, 3)

    # Membership

    def test_u10_topics_of_equal_size_are_assigned_alike(self, bus: Broker) -> None:
        members = [bus.consumer(group=GROUP, topics=[TOPIC, TWIN], member=name) for name in "abc"]
        try:
            settle(members, lambda: _covers(members, 2 * PARTITIONS))
            for member in members:
                by_topic = {
                    topic: {source.partition for source in member.assignment() if source.topic == topic}
                    for topic in (TOPIC, TWIN)
                }
                assert by_topic[TOPIC] == by_topic[TWIN]
                numbers = sorted(by_topic[TOPIC])
                assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "a range"
        finally:
            for member in members:
                member.close()

    def test_a4_the_assignment_moves_when_a_member_comes_and_goes(self, bus: Broker) -> None:
        with bus.consumer(group=GROUP, topics=[TOPIC], member="a") as first:
            settle([first], lambda: first.assignment() == ALL)
            alone = first.generation()
            with bus.consumer(group=GROUP, topics=[TOPIC], member="b") as second:
                settle([first, second], lambda: len(first.assignment()) == len(second.assignment()) == 2)
                assert first.assignment() | second.assignment() == ALL
                assert first.generation() != alone
            settle([first], lambda: first.assignment() == ALL)

    def test_a4_a_silent_member_loses_its_partitions(self, bus: Broker) -> None:
        silent = bus.consumer(group=GROUP, topics=[TOPIC], member="silent")
        with bus.consumer(group=GROUP, topics=[TOPIC], member="a") as consumer:
            settle([silent, consumer], lambda: len(silent.assignment()) == 2)
            settle([consumer], lambda: consumer.assignment() == ALL)
            settle([silent, consumer], lambda: len(silent.assignment()) == 2)
            assert consumer.assignment() | silent.assignment() == ALL
        silent.close()

    def test_u17_a_group_has_members_while_somebody_polls(self, bus: Broker) -> None:
        assert not bus.has_members(GROUP)
        with bus.consumer(group=GROUP, topics=[TOPIC], member="a") as consumer:
            settle([consumer], lambda: len(consumer.assignment()) == PARTITIONS)
            assert bus.has_members(GROUP)
            assert not bus.has_members("another")
        assert_soon(lambda: not bus.has_members(GROUP))

    def test_u17_a_silent_member_is_none(self, bus: Broker) -> None:
        with bus.consumer(group=GROUP, topics=[TOPIC], member="a") as consumer:
            settle([consumer], lambda: len(consumer.assignment()) == PARTITIONS)
            assert_soon(lambda: not bus.has_members(GROUP))

    def test_a_member_that_comes_back_takes_its_old_place(self, bus: Broker) -> None:
        with bus.consumer(group=GROUP, topics=[TOPIC], member="b") as other:
            first = bus.consumer(group=GROUP, topics=[TOPIC], member="a")
            settle([first, other], lambda: len(first.assignment()) == len(other.assignment()) == 2)
            before = first.assignment()
            with bus.consumer(group=GROUP, topics=[TOPIC], member="a") as second:
                settle([second, other], lambda: second.assignment() == before)
                settle([first, second, other], lambda: not first.assignment())
                assert second.assignment() == before
            first.close()

    def test_a4_commits_for_lost_partitions_are_ignored(self, bus: Broker) -> None:
        publish(bus, 4, partition=3)
        last = TopicPartition(TOPIC, 3)
        with bus.consumer(group=GROUP, topics=[TOPIC], member="a") as first:
            came = consume_count(first, 4)
            with bus.consumer(group=GROUP, topics=[TOPIC], member="b") as second:
                settle([first, second], lambda: last in second.assignment())
                first.commit({last: came[-1].offset + 1})
                assert bus.committed(GROUP, last) is None

    def test_a5_a_paused_partition_delivers_nothing_and_stays_owned(
        self, bus: Broker, consumer: Consumer
    ) -> None:
        settle([consumer], lambda: consumer.assignment() == ALL)
        consumer.pause(frozenset({SOURCE}))
        publish(bus, 3)
        publish(bus, 3, partition=1)
        assert {each.partition for each in consume_count(consumer, 3)} == {1}
        assert consumer.poll(max_records=10, timeout_seconds=0.3) == []
        assert consumer.assignment() == ALL
        consumer.resume(frozenset({SOURCE}))
        assert values(consume_count(consumer, 3)) == [0, 1, 2]

    def test_a_poll_without_news_comes_back_in_time(self, bus: Broker, consumer: Consumer) -> None:
        settle([consumer], lambda: consumer.assignment() == ALL)
        start = time.monotonic()
        assert consumer.poll(max_records=10, timeout_seconds=0.2) == []
        assert time.monotonic() - start < 5

    def test_a_poll_under_way_or_the_next_one_can_be_ended(self, bus: Broker, consumer: Consumer) -> None:
        settle([consumer], lambda: consumer.assignment() == ALL)
        consumer.wake()
        start = time.monotonic()
        assert consumer.poll(max_records=10, timeout_seconds=PATIENCE_SECONDS) == []
        waker = threading.Timer(0.1, consumer.wake)
        waker.start()
        assert consumer.poll(max_records=10, timeout_seconds=PATIENCE_SECONDS) == []
        assert time.monotonic() - start < PATIENCE_SECONDS / 2
        waker.join()

    def test_a_wake_takes_no_message_away(self, bus: Broker, consumer: Consumer) -> None:
        settle([consumer], lambda: consumer.assignment() == ALL)
        publish(bus, 3)
        consumer.wake()
        assert values(consume_count(consumer, 3)) == [0, 1, 2]

    def test_ping_passes(self, bus: Broker) -> None:
        bus.ping()


def _covers(members: Sequence[Consumer], count: int) -> bool:
    owned = [source for member in members for source in member.assignment()]
    return len(owned) == len(set(owned)) == count and all(member.assignment() for member in members)
