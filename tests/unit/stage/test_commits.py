"""Finished prefixes are committed once in a while, at once at the end, and never before they are finished."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import pytest

from pairmill.bus.port import Consumer, TopicPartition
from pairmill.errors import RetriableError
from pairmill.stage.checkpoints import NoCheckpoints
from pairmill.stage.commits import Commits
from pairmill.stage.observer import NullObserver
from pairmill.stage.offsets import OffsetTracker
from tests.fakes.clock import ManualClock

SOURCE = TopicPartition("wat-tasks", 3)


class Taking:
    """Keeps what is committed."""

    def __init__(self) -> None:
        self.taken: list[dict[TopicPartition, int]] = []
        self.is_away = False

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        if self.is_away:
            raise RetriableError("away")
        self.taken.append(dict(offsets))


class Rig:
    def __init__(self) -> None:
        self.clock, self.tracker, self.group = ManualClock(), OffsetTracker(), Taking()
        self.commits = Commits(self.tracker, self.clock, NullObserver(), NoCheckpoints(), 1.0)

    def end(self, *offsets: int) -> None:
        for offset in offsets:
            self.tracker.deliver(SOURCE, offset)
            self.tracker.finish(SOURCE, offset)

    def apply(self, *, at_once: bool = False) -> list[int]:
        self.commits.apply(cast("Consumer", self.group), at_once=at_once)
        return [offsets[SOURCE] for offsets in self.group.taken]


def test_what_is_finished_first_is_committed_at_once() -> None:
    rig = Rig()
    assert math.isinf(rig.commits.due_in)
    rig.end(0)
    assert rig.commits.due_in == 0
    assert rig.apply() == [1]
    assert math.isinf(rig.commits.due_in)


def test_what_is_finished_soon_after_is_committed_together_later() -> None:
    rig = Rig()
    rig.end(0)
    rig.apply()
    for offset in range(1, 10):
        rig.end(offset)
        rig.clock.sleep(0.05)
        assert rig.apply() == [1]
    assert 0 < rig.commits.due_in < 1
    rig.clock.sleep(rig.commits.due_in)
    assert rig.apply() == [1, 10]


def test_the_end_of_the_loop_waits_for_no_other_commit() -> None:
    rig = Rig()
    rig.end(0)
    rig.apply()
    rig.end(1)
    assert rig.apply(at_once=True) == [1, 2]
    assert rig.apply(at_once=True) == [1, 2], "there is nothing left"


def test_u2_what_is_not_finished_is_committed_by_no_end() -> None:
    rig = Rig()
    rig.tracker.deliver(SOURCE, 0)
    rig.end(1, 2)
    assert rig.apply(at_once=True) == []
    rig.tracker.finish(SOURCE, 0)
    assert rig.apply() == [3]


def test_a_commit_that_failed_is_due_again() -> None:
    rig = Rig()
    rig.group.is_away = True
    rig.end(0)
    with pytest.raises(RetriableError):
        rig.apply()
    assert rig.commits.due_in == 0
    rig.group.is_away = False
    assert rig.apply() == [1]


def test_u10_what_was_lost_meanwhile_is_not_committed() -> None:
    rig = Rig()
    rig.end(0)
    rig.apply()
    rig.end(1)
    rig.tracker.keep_only(set())
    rig.clock.sleep(5)
    assert rig.apply() == [1]
