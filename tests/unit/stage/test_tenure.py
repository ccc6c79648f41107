"""Who stood still for too long asks nothing until the group has heard of it again (U10)."""

from __future__ import annotations

from pairmill.stage.tenure import Tenure
from tests.fakes.clock import ManualClock

MOST = 5.0


def test_u10_a_loop_that_turns_keeps_its_tenure() -> None:
    clock = ManualClock()
    tenure = Tenure(clock, MOST)
    for _ in range(10):
        clock.sleep(MOST)
        tenure.turned()
        assert tenure.holds()
        assert not tenure.needs_commit


def test_u10_after_a_standstill_nothing_holds_from_the_first_moment_on() -> None:
    clock = ManualClock()
    tenure = Tenure(clock, MOST)
    clock.sleep(MOST + 0.1)
    assert not tenure.holds(), "although the loop has not noticed yet"
    tenure.turned()
    assert not tenure.holds()
    assert tenure.needs_commit


def test_u10_it_holds_again_once_polls_after_a_commit_have_shown_no_new_assignment() -> None:
    clock = ManualClock()
    tenure = Tenure(clock, MOST)
    clock.sleep(60)
    tenure.turned()
    tenure.polled()
    assert not tenure.holds(), "a poll says nothing without a commit before it"
    tenure.committed()
    assert not tenure.needs_commit
    tenure.polled()
    assert not tenure.holds()
    tenure.polled()
    assert tenure.holds()


def test_u10_a_new_assignment_is_a_new_tenure() -> None:
    clock = ManualClock()
    tenure = Tenure(clock, MOST)
    clock.sleep(60)
    tenure.turned()
    tenure.renewed()
    assert tenure.holds()


def test_u10_a_second_standstill_begins_anew() -> None:
    clock = ManualClock()
    tenure = Tenure(clock, MOST)
    clock.sleep(60)
    tenure.turned()
    tenure.committed()
    clock.sleep(60)
    tenure.turned()
    tenure.polled()
    tenure.polled()
    assert not tenure.holds()
    assert tenure.needs_commit
