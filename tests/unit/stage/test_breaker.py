"""Breaker, back-off and outage: the stage does not trust its own failures (U13-U15)."""

from __future__ import annotations

import errno

import pytest

from pairmill.errors import (
    ConfigurationError,
    CorruptObjectError,
    CutOffError,
    InvalidRecordError,
    NoSpaceError,
    RetriableError,
)
from pairmill.stage.attempt import Fault, classify
from pairmill.stage.breaker import Backoff, Breaker
from pairmill.stage.outage import Outage
from tests.fakes.clock import ManualClock


class Patient:
    """A self-test that fails until it is cured."""

    def __init__(self) -> None:
        self.ill = True
        self.tests = 0

    def test(self) -> None:
        self.tests += 1
        if self.ill:
            raise RuntimeError("no model")


def test_a_breaker_opens_with_a_reason_and_closes_after_the_fix() -> None:
    clock, patient = ManualClock(), Patient()
    breaker = Breaker(clock, patient.test)
    assert not breaker.test()
    assert breaker.is_open
    assert "no model" in breaker.reason
    breaker.retest()
    assert patient.tests == 1, "it waits before it tests again"
    patient.ill = False
    clock.sleep(1.0)
    breaker.retest()
    assert not breaker.is_open


def test_backoff_grows_to_half_a_minute() -> None:
    clock = ManualClock()
    backoff = Backoff(clock, draw=lambda: 1.0)
    delays = []
    for _ in range(9):
        backoff.fail()
        start = clock.monotonic()
        while not backoff.ready():
            clock.sleep(0.5)
        delays.append(clock.monotonic() - start)
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    backoff.succeed()
    assert backoff.ready()


def test_an_outage_lasts_from_its_first_failure_to_its_last_until_it_is_over() -> None:
    clock = ManualClock()
    outage = Outage(clock)
    outage.note(RetriableError("store away"))
    clock.sleep(40)
    assert outage.seconds == 0, "what was begun after the only failure may yet succeed"
    outage.note(RetriableError("store away"))
    clock.sleep(40)
    assert outage.seconds == 40
    assert outage.reason == "RetriableError: store away"
    outage.over()
    assert outage.seconds == 0
    assert outage.reason is None


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (CutOffError(), Fault.CUT_OFF),
        (RetriableError("away"), Fault.ENVIRONMENT),
        (NoSpaceError("full"), Fault.ENVIRONMENT),
        (OSError(errno.ENOSPC, "full"), Fault.ENVIRONMENT),
        (OSError(errno.EDQUOT, "quota"), Fault.ENVIRONMENT),
        (ConfigurationError("bundle"), Fault.STAGE),
        (OSError(errno.EIO, "bad disk"), Fault.UNIT),
        (InvalidRecordError("never"), Fault.UNIT),
        (CorruptObjectError("flipped"), Fault.UNIT),
        (ZeroDivisionError(), Fault.UNIT),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a17_the_environment_is_never_a_units_fault(error: Exception, fault: Fault) -> None:
    assert classify(error) is fault
