"""Every metric that the inference owns, besides those of the stage loop."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from pairmill_inference.model import Tower

_BATCH_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_BATCH_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_TOWERS: tuple[Tower, ...] = ("image", "text")


class InferenceMetrics:
    """Takes measures of the model into a registry. Thread-safe; labels come from a closed set."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "pairmill_inference_duration_seconds",
            "Time that a tower took for a block of rows.",
            ("model",),
            buckets=_BATCH_SECONDS,
            registry=registry,
        )
        self._rows = Counter(
            "pairmill_inference_rows", "Rows that a tower answered for.", ("model",), registry=registry
        )
        self._batches = Histogram(
            "pairmill_inference_batch_rows",
            "Rows that a tower was given at once.",
            ("model",),
            buckets=_BATCH_ROWS,
            registry=registry,
        )
        for tower in _TOWERS:
            self._seconds.labels(tower)
            self._batches.labels(tower)
            self._rows.labels(tower)

    def called(self, tower: Tower, rows: int, seconds: float) -> None:
        """Counts an answer of a tower."""
        self._seconds.labels(tower).observe(seconds)
        self._batches.labels(tower).observe(rows)
        self._rows.labels(tower).inc(rows)
