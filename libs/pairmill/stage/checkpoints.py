"""Named points before and after each effect of a unit, where a test may end the process."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from typing import Final, Literal, Protocol, get_args

from pairmill.errors import ConfigurationError

Point = Literal[
    "before_work",
    "after_objects",
    "after_follow_ups",
    "after_record",
    "after_commit",
    "before_failure",
    "after_hand_out",
    "before_manifest",
    "after_manifest",
    "after_end",
    "in_sweep",
]
"""In a stage: before anything; objects stored; follow-ups acknowledged; ledger acknowledged; offset
committed; before a failure is published. In a gateway: a task acknowledged; all but the manifest stored; the
manifest stored; the job's end acknowledged; before each object that the janitor removes."""

POINTS: Final = get_args(Point)


class Checkpoints(Protocol):
    """Is told when the loop passes a point."""

    def passed(self, point: Point) -> None:
        """The loop is at this point of some unit."""
        ...


class NoCheckpoints:
    """Does nothing, as in production."""

    def passed(self, point: Point) -> None:
        """Does nothing."""


def _kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class KillAt:
    """Ends the process with SIGKILL at the n-th passage of a point."""

    def __init__(self, point: str, passage: int, kill: Callable[[], None] = _kill_self) -> None:
        if point not in POINTS:
            raise ValueError(f"unknown point {point!r}; one of {', '.join(POINTS)}")
        self._point = point
        self._passage = passage
        self._kill = kill
        self._passed: Counter[str] = Counter()

    def passed(self, point: Point) -> None:
        """Counts the passage and ends the process if it is the one."""
        self._passed[point] += 1
        if point == self._point and self._passed[point] == self._passage:
            self._kill()


def checkpoints_of(kill_at: str) -> Checkpoints:
    """Returns what `PAIRMILL_KILL_AT` asks for: `point:n` kills, nothing does nothing."""
    if not kill_at:
        return NoCheckpoints()
    point, _, passage = kill_at.partition(":")
    try:
        return KillAt(point, int(passage or "1"))
    except ValueError as error:
        raise ConfigurationError(f"PAIRMILL_KILL_AT: {error}") from error
