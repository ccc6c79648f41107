"""How far a build has come: always as a measure, now and then in the log."""

from __future__ import annotations

from typing import Final, Protocol

import structlog

from pairmill.clock import Clock

log = structlog.get_logger(__name__)

LINE_SECONDS: Final = 30.0


class StepObserver(Protocol):
    """Is told how far a step has come."""

    def step(self, done: int, total: int) -> None:
        """The step under way has come so far."""
        ...


class StepReporter:
    """Is a `pairmill_index.progress.Progress`. Used by one thread."""

    def __init__(self, observer: StepObserver, clock: Clock, *, dataset: str) -> None:
        self._observer = observer
        self._clock = clock
        self._dataset = dataset
        self._next_line = clock.monotonic() + LINE_SECONDS

    def __call__(self, step: str, done: int, total: int) -> None:
        """`done` of `total` rows of a step."""
        self._observer.step(done, total)
        if self._clock.monotonic() >= self._next_line:
            self._next_line = self._clock.monotonic() + LINE_SECONDS
            log.info("index_progressed", dataset=self._dataset, step=step, done=done, total=total)
