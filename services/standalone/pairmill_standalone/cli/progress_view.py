"""How far a run has come: a live line in a terminal, a log line now and then without one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pairmill.clock import Clock

_LOG_SECONDS = 10.0
_MOST_REASONS = 3


class TerminalView:
    """A progress bar over the candidates, with what was kept and why the rest was not."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID = progress.add_task("starting", total=None, facts="")

    def show(self, status: Mapping[str, Any]) -> None:
        """Shows the latest status."""
        total = status["candidates"] or None
        self._progress.update(
            self._task,
            description=status["state"],
            total=total,
            completed=min(status["ended"] + status["in_progress"], total or 0),
            facts=facts_of(status),
        )


class LogView:
    """A line now and then, and one at each change of state."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next = 0.0
        self._state = ""

    def show(self, status: Mapping[str, Any]) -> None:
        """Writes the status if it is time."""
        now = self._clock.monotonic()
        if status["state"] == self._state and now < self._next:
            return
        self._state, self._next = status["state"], now + _LOG_SECONDS
        sys.stderr.write(
            f"pairmill: {status['state']}: {status['ended']:,} of {status['candidates']:,} candidates, "
            f"{facts_of(status)}\n"
        )
        sys.stderr.flush()


def facts_of(status: Mapping[str, Any]) -> str:
    """Returns what passed and the most frequent reasons of what failed, in a few words."""
    failed = {
        key.rsplit("/", 1)[1]: rows
        for key, rows in status["counts"].items()
        if key.startswith(("download/failed/", "score/filtered/"))
    }
    most = sorted(failed.items(), key=lambda item: -item[1])[:_MOST_REASONS]
    reasons = ", ".join(f"{name} {rows:,}" for name, rows in most)
    return f"{status['passed']:,} passed" + (f" ({reasons})" if reasons else "")


@contextmanager
def progress_view(clock: Clock) -> Iterator[TerminalView | LogView]:
    """Gives the view that fits the standard error stream."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield LogView(clock)
        return
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[facts]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield TerminalView(progress)
