"""What a gateway took of the processor to start, and in all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.bench.processes import Trace


class GatewayTrace:
    """Notes the gateway's processor time at each look of a `Watch`."""

    def __init__(self, status_file: Path) -> None:
        """The gateway has started once its first status is there."""
        self._status_file = status_file
        self.cpu = 0.0
        self.start_cpu = 0.0

    def note(self, traces: Mapping[int, Trace]) -> None:
        """Takes a look; the gateway's children, which draw thumbnails for the report, are left out."""
        cpu = sum(trace.cpu_seconds for trace in traces.values() if trace.role == "gateway")
        if not cpu:
            return
        self.cpu = cpu
        if not self._status_file.exists():
            self.start_cpu = cpu
