"""When a watch speaks."""

from __future__ import annotations

import pytest

from pairmill.watching import QUIET_SECONDS, watched
from pairmill_protos.common.v1.outcome_pb2 import Count

END = 9


def watch(*moments: int, interval: float = 1.0) -> tuple[list[int], list[float]]:
    """Returns the counts that were said, of which END is the last, and the waits between."""
    coming, waits = iter(moments), list[float]()
    found = watched(lambda: Count(rows=next(coming)), lambda count: count.rows == END, waits.append, interval)
    return [count.rows for count in found], waits


def test_it_speaks_at_once_at_changes_and_at_the_end() -> None:
    assert watch(1, 1, 2, 2, 2, END) == ([1, 2, END], [1.0] * 5)


def test_of_what_has_ended_it_says_so_and_ends() -> None:
    assert watch(END, interval=0.2) == ([END], [])


def test_it_is_never_quiet_for_long() -> None:
    turns = int(QUIET_SECONDS) * 3
    said, waits = watch(*[1] * turns, END)
    assert said == [1, 1, 1, END]
    assert len(waits) == turns


def test_it_ends_where_waiting_ends() -> None:
    def gone(seconds: float) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        list(watched(Count, lambda count: False, gone, 1.0))
