"""What takes long and may not hold up the other jobs: writing a dataset's last files, sweeping."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import structlog

from pairmill.clock import Clock
from pairmill.stage.breaker import Backoff
from pairmill.stage.workers import start_work

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class _Chore:
    backoff: Backoff
    future: Future[None] | None = None
    trouble: str = ""


class Chores:
    """Runs some chores at once, each in a thread, again after a failure. Used by the loop's thread."""

    def __init__(self, clock: Clock, at_once: int, tell: Callable[[], None] = lambda: None) -> None:
        """`tell` hears, in another thread, that a chore has ended."""
        self._tell = tell
        self._clock = clock
        self._at_once = at_once
        self._chores: dict[str, _Chore] = {}

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Starts a chore unless it is at work, has failed a moment ago, or too many are at work."""
        chore = self._chores.setdefault(name, _Chore(backoff=Backoff(self._clock)))
        busy = sum(other.future is not None for other in self._chores.values())
        if chore.future is None and chore.backoff.ready() and busy < self._at_once:
            chore.future = start_work(work, f"chore-{name}")
            chore.future.add_done_callback(lambda _: self._tell())

    def collect(self) -> int:
        """Takes note of the chores that have ended; returns how many those are."""
        ended = [
            (name, chore) for name, chore in self._chores.items() if chore.future and chore.future.done()
        ]
        for name, chore in ended:
            if chore.future is not None:
                self._end(name, chore, chore.future.exception())
        return len(ended)

    def trouble(self, name: str) -> str:
        """Returns why a chore failed last; empty if it did not."""
        chore = self._chores.get(name)
        return chore.trouble if chore is not None else ""

    def is_at_work(self, name: str) -> bool:
        """Whether a chore runs now."""
        chore = self._chores.get(name)
        return chore is not None and chore.future is not None

    def _end(self, name: str, chore: _Chore, error: BaseException | None) -> None:
        chore.future = None
        if error is None:
            del self._chores[name]
            return
        chore.trouble = f"{type(error).__name__}: {error}"
        chore.backoff.fail()
        log.error("chore_failed", chore=name, error=chore.trouble, exc_info=error)
