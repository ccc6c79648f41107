"""What a gateway's processor time went into, told apart by when it was spent."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.bench.processes import Trace


class GatewayTrace:
    """Notes the gateway's processor time at each look of a `Watch`."""

    def __init__(self, status_file: Path, now: Callable[[], float] = time.time) -> None:
        """The gateway has started once its first status is there."""
        self._now = now
        self._status_file = status_file
        self._looks: list[tuple[float, float]] = []  # when, and processor time until then
        self.start_cpu = 0.0

    @property
    def cpu(self) -> float:
        """Processor time as last seen."""
        return self._looks[-1][1] if self._looks else 0.0

    def note(self, traces: Mapping[int, Trace]) -> None:
        """Takes a look; the gateway's children, which draw thumbnails for the report, are left out."""
        cpu = sum(trace.cpu_seconds for trace in traces.values() if trace.role == "gateway")
        if not cpu:
            return
        self._looks.append((self._now(), cpu))
        if not self._status_file.exists():
            self.start_cpu = cpu

    def cpu_until(self, moment: float) -> float:
        """Returns the processor time at the first look after a moment."""
        return next((cpu for when, cpu in self._looks if when >= moment), self.cpu)
