"""A store whose user dies before one of its writes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from pairmill.store.port import ObjectStore
from tests.fakes.failing_store import FailingStore


class Died(BaseException):
    """Ends all work as a kill does, but for what stands in `finally`."""


def die() -> None:
    """Raises Died."""
    raise Died


def kill_self() -> None:
    """Ends the process at once."""
    os.kill(os.getpid(), signal.SIGKILL)


class DyingStore(FailingStore):
    """Passes all on to another store until so many writes and removals were done, then lets its user die."""

    def __init__(self, behind: ObjectStore, *, dies_after: int, dies: Callable[[], None] = die) -> None:
        super().__init__(behind, fails="")
        self._dies_after = dies_after
        self._dies = dies
        self.writes = 0

    def _may_fail(self, key: str) -> None:
        if self.writes == self._dies_after:
            self._dies()
        self.writes += 1
