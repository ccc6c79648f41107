"""When a stage is live and when it is ready: what it waits for itself is never taken for a standstill."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from pairmill.bus.port import Message, TopicPartition
from pairmill.errors import RetriableError
from pairmill.stage.breaker import Breaker
from pairmill.stage.health import LoopHealth
from pairmill.stage.outage import Outage
from tests.fakes.clock import ManualClock

FIRST: Final = TopicPartition("wat-tasks", 0)
SECOND: Final = TopicPartition("wat-tasks", 1)
NOBODY: Final = frozenset[TopicPartition]()


class Loop:
    """A loop that only turns."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.outage = Outage(self.clock)
        self.breaker = Breaker(self.clock, lambda: None)
        self.health = LoopHealth(self.clock, self.breaker, self.outage, max_silence_seconds=300.0)

    def turn(
        self,
        seconds: float,
        lag: dict[TopicPartition, int],
        in_hand: frozenset[TopicPartition] = NOBODY,
    ) -> None:
        for _ in range(int(seconds // 5)):
            self.clock.sleep(5)
            self.health.turned()
            self.health.looked(lag, in_hand)


def message(source: TopicPartition) -> Message:
    return Message(
        topic=source.topic,
        partition=source.partition,
        offset=1,
        key=b"",
        value=b"",
        appended_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_a_loop_that_does_not_turn_is_not_live() -> None:
    loop = Loop()
    loop.clock.sleep(60)
    assert loop.health.is_live() is None
    loop.clock.sleep(1)
    assert loop.health.is_live() == "the loop has not turned for 61 s"


def test_a5_a_consumer_that_delivers_nothing_although_messages_wait_is_not_live() -> None:
    loop = Loop()
    loop.turn(300, {FIRST: 7, SECOND: 0})
    assert loop.health.is_live() is None
    loop.turn(20, {FIRST: 7, SECOND: 0})
    assert loop.health.is_live() == "nothing was delivered of wat-tasks/0 for 315 s"


def test_a5_a_delivery_gives_a_partition_its_time_anew() -> None:
    loop = Loop()
    loop.turn(300, {FIRST: 7})
    loop.health.delivered([message(FIRST)])
    loop.turn(300, {FIRST: 7})
    assert loop.health.is_live() is None


def test_a5_work_in_hand_is_no_standstill_however_long_it_takes() -> None:
    loop = Loop()
    loop.turn(4000, {FIRST: 7}, in_hand=frozenset({FIRST}))
    assert loop.health.is_live() is None


def test_no_lag_is_no_standstill() -> None:
    loop = Loop()
    loop.turn(4000, {FIRST: 0})
    assert loop.health.is_live() is None


def test_a4_a_partition_that_went_away_is_not_missed() -> None:
    loop = Loop()
    loop.turn(290, {FIRST: 7})
    loop.turn(290, {SECOND: 7})
    assert loop.health.is_live() is None


def test_g1_an_outage_is_waited_out_alive_but_not_ready() -> None:
    loop = Loop()
    loop.health.joined()
    loop.turn(290, {FIRST: 7})
    for _ in range(100):
        loop.clock.sleep(10)
        loop.health.turned()
        loop.health.failed(RetriableError("the broker is away"))
    assert loop.health.is_live() is None
    assert loop.health.is_ready() == "RetriableError: the broker is away"
    loop.outage.over()
    loop.turn(290, {FIRST: 7})
    assert (loop.health.is_live(), loop.health.is_ready()) == (None, None)


def test_a8_an_open_breaker_is_alive_but_not_ready() -> None:
    loop = Loop()
    loop.health.joined()
    loop.breaker.open("no model")
    assert loop.health.is_ready() == "breaker: no model"
    assert loop.health.is_live() is None


def test_a_process_without_partitions_yet_is_not_ready() -> None:
    loop = Loop()
    assert loop.health.is_ready() == "not in its group yet"
    loop.health.joined()
    assert loop.health.is_ready() is None


def test_a8_trouble_is_told_once_it_has_lasted() -> None:
    loop = Loop()
    assert loop.health.trouble_after(30.0) == ""
    loop.outage.note(RetriableError("the broker is away"))
    loop.clock.sleep(29.0)
    loop.outage.note(RetriableError("the broker is away"))
    assert loop.health.trouble_after(30.0) == ""
    loop.clock.sleep(1.0)
    loop.outage.note(RetriableError("the broker is still away"))
    assert loop.health.trouble_after(30.0) == "RetriableError: the broker is still away"
    loop.outage.over()
    assert loop.health.trouble_after(30.0) == ""
    loop.breaker.open("no such model")
    loop.clock.sleep(30.0)
    assert loop.health.trouble_after(30.0) == "no such model"
