"""`/metrics-summary`: where the time of searches went, for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Histogram

STEPS: Final = ("encode", "filter", "search", "rows", "all")
"""Embedding the query, evaluating filters, nearest neighbours, metadata; and the whole request."""

_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 10)


class StepTimes:
    """Counts the steps of searches in clip-retrieval's protocol. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "pairmill_knn_step_seconds",
            "How long the steps of searches in the protocol of clip-retrieval took.",
            ("step",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._of_step = {step: self._seconds.labels(step) for step in STEPS}

    def observe(self, step: str, seconds: float) -> None:
        """Counts a step."""
        self._of_step[step].observe(seconds)

    def summary(self) -> str:
        """Returns a text of a line for each step, the most expensive first."""
        totals = {step: self._of(step) for step in STEPS}
        calls, seconds = totals.pop("all")
        if not calls:
            return "No request yet.\n"
        head = f"Among {calls:,} calls of /knn-service with an average latency of {seconds / calls:.4f}s\n\n"
        return head + "".join(_lines(totals, seconds))

    def _of(self, step: str) -> tuple[int, float]:
        """Returns how often a step was done, and its seconds in all."""
        found = {
            sample.name.rpartition("_")[2]: sample.value
            for metric in self._seconds.collect()
            for sample in metric.samples
            if sample.labels.get("step") == step and sample.name.endswith(("_sum", "_count"))
        }
        return int(found["count"]), found["sum"]


def _lines(totals: dict[str, tuple[int, float]], whole: float) -> Iterator[str]:
    yield f"{'name':<10} {'calls':>10} {'average':>10} {'proportion':>10}\n"
    for step, (calls, seconds) in sorted(totals.items(), key=lambda item: -item[1][1]):
        average = seconds / calls if calls else 0.0
        yield f"{step:<10} {calls:>10,} {average:>9.5f}s {seconds / whole if whole else 0.0:>10.1%}\n"
