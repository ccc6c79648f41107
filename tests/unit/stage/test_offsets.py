"""Only the contiguous prefix of finished offsets is committed (U2)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pairmill.bus.port import TopicPartition
from pairmill.stage.offsets import OffsetTracker

SOURCE = TopicPartition("wat-tasks", 0)
OTHER = TopicPartition("wat-tasks", 1)


def test_a_later_offset_waits_for_the_earlier_one() -> None:
    tracker = OffsetTracker()
    for offset in (3, 5, 9):
        assert tracker.deliver(SOURCE, offset)
    tracker.finish(SOURCE, 5)
    assert tracker.commits() == {}
    tracker.finish(SOURCE, 3)
    assert tracker.commits() == {SOURCE: 6}
    tracker.committed({SOURCE: 6})
    tracker.finish(SOURCE, 9)
    assert tracker.commits() == {SOURCE: 10}


def test_an_offset_in_hand_is_not_taken_twice() -> None:
    tracker = OffsetTracker()
    assert tracker.deliver(SOURCE, 1)
    assert not tracker.deliver(SOURCE, 1)
    tracker.finish(SOURCE, 1)
    assert tracker.deliver(SOURCE, 1)


def test_lost_partitions_are_forgotten_and_never_committed() -> None:
    tracker = OffsetTracker()
    tracker.deliver(SOURCE, 1)
    tracker.deliver(OTHER, 1)
    tracker.finish(OTHER, 1)
    tracker.keep_only({SOURCE})
    tracker.finish(OTHER, 1)
    tracker.finish(SOURCE, 1)
    assert tracker.commits() == {SOURCE: 2}
    assert not tracker.in_hand()


def test_an_offset_that_is_finished_twice_is_counted_once() -> None:
    tracker = OffsetTracker()
    for offset in (1, 2, 3):
        tracker.deliver(SOURCE, offset)
    for _ in range(2):
        tracker.finish(SOURCE, 3)
    assert tracker.in_hand() == {SOURCE: 2}


@given(st.permutations(list(range(12))), st.integers(0, 12))
def test_the_commit_never_passes_an_unfinished_offset(order: list[int], finished: int) -> None:
    tracker = OffsetTracker()
    for offset in range(12):
        tracker.deliver(SOURCE, offset)
    for offset in order[:finished]:
        tracker.finish(SOURCE, offset)
    committed = tracker.commits().get(SOURCE, 0)
    assert set(range(committed)) <= set(order[:finished])
    assert committed == 12 or committed not in order[:finished]
    assert tracker.in_hand()[SOURCE] == 12 - finished
