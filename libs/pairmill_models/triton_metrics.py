"""What a process that asks Triton measures of its requests."""

from __future__ import annotations

from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Histogram

from pairmill_models.bundle import Tower
from pairmill_models.triton_port import RequestEnding

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class TritonMetrics:
    """Takes measures of requests into a registry. Thread-safe; labels come from closed sets."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "pairmill_triton_requests",
            "Requests to Triton by how they ended; what was busy, away or slow is tried again.",
            ("model", "result"),
            registry=registry,
        )
        self._seconds = Histogram(
            "pairmill_triton_request_seconds",
            "Time that a request to Triton took, waiting in its queue included.",
            ("model",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._rows = Histogram(
            "pairmill_triton_request_rows",
            "Rows of a request to Triton.",
            ("model",),
            buckets=_ROWS,
            registry=registry,
        )
        for tower in get_args(Tower):
            self._seconds.labels(tower)
            self._rows.labels(tower)
            for ending in get_args(RequestEnding):
                self._requests.labels(tower, ending)

    def requested(self, tower: Tower, rows: int, seconds: float, ending: RequestEnding) -> None:
        """Counts a request that ended."""
        self._requests.labels(tower, ending).inc()
        self._seconds.labels(tower).observe(seconds)
        self._rows.labels(tower).observe(rows)
