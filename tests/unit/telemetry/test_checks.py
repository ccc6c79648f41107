"""A dependency is asked now and then, however often readiness is, and a hanging one holds nobody up."""

from __future__ import annotations

import threading

from pairmill.errors import RetriableError
from pairmill.telemetry.checks import PING_SECONDS, PingCheck, problems
from tests.fakes.clock import ManualClock
from tests.fakes.processes import wait_until


class Dependency:
    """Counts pings; may be away, or hang until it is let go."""

    def __init__(self) -> None:
        self.pings = 0
        self.away = False
        self.free = threading.Event()
        self.free.set()

    def ping(self) -> None:
        self.pings += 1
        assert self.free.wait(20)
        if self.away:
            raise RetriableError("gone")


def test_a_ping_is_asked_no_more_than_once_in_a_while() -> None:
    dependency, clock = Dependency(), ManualClock()
    check = PingCheck(dependency.ping, clock, wait_seconds=20.0)
    for _ in range(50):
        assert check() is None
    assert dependency.pings == 1
    clock.sleep(PING_SECONDS)
    assert check() is None
    assert dependency.pings == 2


def test_an_outage_is_seen_and_forgotten_with_the_next_ping() -> None:
    dependency, clock = Dependency(), ManualClock()
    check = PingCheck(dependency.ping, clock, wait_seconds=20.0)
    dependency.away = True
    assert check() == "RetriableError: gone"
    dependency.away = False
    assert check() == "RetriableError: gone"
    clock.sleep(PING_SECONDS)
    assert check() is None


def test_g1_a_ping_that_hangs_is_a_problem_at_once_and_is_not_sent_again() -> None:
    dependency, clock = Dependency(), ManualClock()
    check = PingCheck(dependency.ping, clock, wait_seconds=0.01)
    dependency.free.clear()
    assert check() == "has not answered for 0 s"
    clock.sleep(3 * PING_SECONDS)
    assert check() == "has not answered for 15 s"
    wait_until(lambda: dependency.pings > 0)
    assert dependency.pings == 1
    dependency.free.set()
    wait_until(lambda: check() is None)


def test_a_check_that_raises_is_a_problem_like_any_other() -> None:
    def broken() -> str | None:
        raise RuntimeError("the check itself")

    assert problems({"a": lambda: None, "b": broken}) == {"a": None, "b": "RuntimeError: the check itself"}
