"""What a process that starts waits for, as a measure."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Gauge


class StartupMetrics:
    """Shows for each need whether it is waited for."""

    def __init__(self, registry: CollectorRegistry, needs: Iterable[str]) -> None:
        self._waiting = Gauge(
            "pairmill_startup_waiting",
            "Whether a process that starts waits for a part that it cannot begin without.",
            ("need",),
            registry=registry,
        )
        for need in needs:
            self._waiting.labels(need).set(0)

    def show(self, need: str, waiting: bool) -> None:
        """Sets whether a need is waited for."""
        self._waiting.labels(need).set(waiting)
