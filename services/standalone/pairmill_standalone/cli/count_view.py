"""How far a single stage has come: a live line in a terminal, a log line now and then without one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pairmill.clock import Clock, SystemClock

Show: TypeAlias = Callable[[int, int, str], None]
"""Told (done, in all, facts) now and then."""

LOG_SECONDS = 10.0


@contextmanager
def count_view(what: str, clock: Clock | None = None) -> Iterator[Show]:
    """Gives a callback that shows progress on the standard error stream."""
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield log_lines(what, clock or SystemClock())
        return
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TextColumn("{task.fields[facts]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=None, facts="")
        yield lambda done, total, facts: progress.update(task, completed=done, total=total, facts=facts)


def log_lines(what: str, clock: Clock) -> Show:
    """Returns a callback that writes a line every now and then."""
    due = clock.monotonic() + LOG_SECONDS

    def show(done: int, total: int, facts: str) -> None:
        nonlocal due
        if clock.monotonic() >= due:
            due = clock.monotonic() + LOG_SECONDS
            sys.stderr.write(f"pairmill: {what}: {done:,} of {total:,}, {facts}".rstrip(", ") + "\n")
            sys.stderr.flush()

    return show
