"""An event loop whose time jumps to the next timer, so that rules about time need no sleeping."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

_START = datetime(2026, 1, 1, 12, tzinfo=UTC)


class _JumpingSelector(selectors.DefaultSelector):
    """Moves the time where a real one would wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events:
            if timeout is None:
                raise AssertionError("all tasks wait for what never comes")
            self.now += max(timeout, 0.0)
        return events


class _JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self, selector: _JumpingSelector) -> None:
        super().__init__(selector)
        self._jumping = selector

    def time(self) -> float:
        return self._jumping.now


class VirtualClock:
    """The clock of such a loop; starts at 0 and at noon of 1 January 2026."""

    def __init__(self, selector: _JumpingSelector) -> None:
        self._selector = selector

    def monotonic(self) -> float:
        return self._selector.now

    def now(self) -> datetime:
        return _START + timedelta(seconds=self._selector.now)

    def sleep(self, seconds: float) -> None:
        self._selector.now += seconds


def run_virtually(test: Callable[[VirtualClock], Coroutine[Any, Any, T]]) -> T:
    """Runs a coroutine to its end, however long it waits, at once."""
    selector = _JumpingSelector()
    with asyncio.Runner(loop_factory=lambda: _JumpingLoop(selector)) as runner:
        return runner.run(test(VirtualClock(selector)))
