"""Every metric that the scorer owns, besides those of the stage loop."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
from prometheus_client import CollectorRegistry, Counter, Histogram

from pairmill.languages import LANGUAGE_BUCKETS, language_bucket
from pairmill_scorer.distributions import ScoreDistributions

_BLOCK_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_OUTCOMES: Final = ("kept", "filtered", "failed")


class ScorerMetrics:
    """Takes measures of scoring into a registry. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "pairmill_scoring_seconds",
            "Time for the similarity and all heads of a block of rows.",
            buckets=_BLOCK_SECONDS,
            registry=registry,
        )
        self._rows = Counter(
            "pairmill_scored_rows",
            "Rows by their language and their verdict.",
            ("bucket", "outcome"),
            registry=registry,
        )
        self._distributions = ScoreDistributions()
        registry.register(self._distributions)
        for bucket in LANGUAGE_BUCKETS:
            for outcome in _OUTCOMES:
                self._rows.labels(bucket, outcome)

    def scored(self, seconds: float) -> None:
        """Counts a block of rows."""
        self._seconds.observe(seconds)

    def judged(self, table: pa.Table) -> None:
        """Counts the rows of a unit with their scores and verdicts."""
        self._distributions.add(table)
        groups = table.group_by(["language", "outcome"]).aggregate([([], "count_all")])
        for row in groups.to_pylist():
            self._rows.labels(language_bucket(row["language"]), row["outcome"]).inc(row["count_all"])
