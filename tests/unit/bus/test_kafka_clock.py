"""The broker's time (U9)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pairmill.bus.kafka_clock import BrokerClock

NEAR = timedelta(seconds=5)


def test_without_a_stamp_the_own_clock_counts() -> None:
    assert abs(BrokerClock().now() - datetime.now(UTC)) < NEAR


def test_a16_a_stamp_of_the_broker_overrules_the_own_clock() -> None:
    clock, broker = BrokerClock(), datetime(2031, 5, 1, tzinfo=UTC)
    clock.stamped_now(broker.timestamp())
    assert timedelta(0) <= clock.now() - broker < NEAR


def test_a16_the_latest_stamp_counts_even_if_the_broker_was_set_back() -> None:
    clock, broker = BrokerClock(), datetime(2031, 5, 1, tzinfo=UTC)
    clock.stamped_now(broker.timestamp() + 3600)
    clock.stamped_now(broker.timestamp())
    assert clock.now() - broker < NEAR


def test_an_old_stamp_moves_the_time_forward_only() -> None:
    clock, broker = BrokerClock(), datetime(2031, 5, 1, tzinfo=UTC)
    clock.stamped_now(broker.timestamp())
    clock.stamped_before(broker.timestamp() - 3600)
    assert clock.now() >= broker
    clock.stamped_before(broker.timestamp() + 3600)
    assert clock.now() >= broker + timedelta(hours=1)


def test_a16_a_clock_that_is_behind_what_the_broker_stamped_is_not_believed() -> None:
    clock, broker = BrokerClock(), datetime.now(UTC) + timedelta(hours=1)
    clock.stamped_before(broker.timestamp())
    assert timedelta(0) <= clock.now() - broker < NEAR


@pytest.mark.parametrize("off", [timedelta(hours=1), timedelta(hours=-1)], ids=["ahead", "behind"])
def test_a16_a_clock_that_is_off_counts_no_more_once_any_stamp_is_known(off: timedelta) -> None:
    """What came is at least as old as its stamp says: so nothing that counts from it is early."""
    own, broker = datetime.now(UTC) + off, datetime.now(UTC) - timedelta(minutes=5)
    clock = BrokerClock(wall=own.timestamp)
    assert clock.now() == own
    clock.stamped_before(broker.timestamp())
    assert timedelta(0) <= clock.now() - broker < NEAR
    assert not clock.is_exact()
    clock.stamped_now(broker.timestamp() + 300)
    assert timedelta(minutes=5) <= clock.now() - broker < timedelta(minutes=5) + NEAR
    assert clock.is_exact()


def test_time_goes_on_between_stamps() -> None:
    clock = BrokerClock()
    clock.stamped_now(datetime(2031, 5, 1, tzinfo=UTC).timestamp())
    first = clock.now()
    assert clock.now() >= first
