"""The end of many processes, in the reverse order of their start."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

from deploy.local.running import Running


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A process that is to end."""

    name: str
    running: Running
    seconds: float  # after SIGTERM, before SIGKILL
    is_service: bool


def end_all(endings: Sequence[Ending]) -> list[str]:
    """Ends services together, then servers one after another; returns the names that took a SIGKILL.

    They are given in the order of their start.
    """
    slow = _end_together([ending for ending in endings if ending.is_service])
    for ending in reversed(endings):
        if not ending.is_service and not ending.running.end(ending.seconds):
            slow.append(ending.name)
    return slow


def _end_together(endings: Sequence[Ending]) -> list[str]:
    """Asks all to stop, so that their budgets run at once."""
    for ending in endings:
        ending.running.signal(signal.SIGCONT)
        ending.running.signal(signal.SIGTERM)
    asked_at, slow = time.monotonic(), []
    for ending in endings:
        left = asked_at + ending.seconds - time.monotonic()
        if not ending.running.wait(max(0.0, left)):
            slow.append(ending.name)
        ending.running.kill()
    return slow
