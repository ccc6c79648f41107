"""Every metric that the scorer owns, besides those of the stage loop."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram

_BLOCK_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class ScorerMetrics:
    """Takes measures of scoring into a registry. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "pairmill_scoring_seconds",
            "Time for the similarity and all heads of a block of rows.",
            buckets=_BLOCK_SECONDS,
            registry=registry,
        )

    def scored(self, seconds: float) -> None:
        """Counts a block of rows."""
        self._seconds.observe(seconds)
