"""A dependency is asked now and then, however often readiness is."""

from __future__ import annotations

from pairmill.errors import RetriableError
from pairmill.telemetry.checks import PING_SECONDS, PingCheck
from tests.fakes.clock import ManualClock


class Dependency:
    """Counts pings; may be away."""

    def __init__(self) -> None:
        self.pings = 0
        self.away = False

    def ping(self) -> None:
        self.pings += 1
        if self.away:
            raise RetriableError("gone")


def test_a_ping_is_asked_no_more_than_once_in_a_while() -> None:
    dependency, clock = Dependency(), ManualClock()
    check = PingCheck(dependency.ping, clock)
    for _ in range(50):
        assert check() is None
    assert dependency.pings == 1
    clock.sleep(PING_SECONDS)
    assert check() is None
    assert dependency.pings == 2


def test_an_outage_is_seen_and_forgotten_with_the_next_ping() -> None:
    dependency, clock = Dependency(), ManualClock()
    check = PingCheck(dependency.ping, clock)
    dependency.away = True
    assert check() == "RetriableError: gone"
    dependency.away = False
    assert check() == "RetriableError: gone"
    clock.sleep(PING_SECONDS)
    assert check() is None
