"""Every metric that the indexer owns, besides those of all stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pairmill.languages import LANGUAGE_BUCKETS
from pairmill_index.manifest import Modality
from pairmill_indexer.change import Change
from pairmill_indexer.verdicts import MERGE_REFUSALS, Refusal

_CHANGES: Final[tuple[Change, ...]] = ("built", "added", "none")
_SECONDS: Final = (1, 5, 10, 30, 60, 180, 600, 1800, 3600, 10800, 36000, 86400)


class IndexerMetrics:
    """Takes measures of builds into a registry. Labels come from closed sets. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._changes = Counter(
            "pairmill_index_changes",
            "Tasks that ended with an index that is up to date, by what it took.",
            ("change",),
            registry=registry,
        )
        self._refusals = Counter(
            "pairmill_index_refusals",
            "Tasks that were set aside by reason.",
            ("reason",),
            registry=registry,
        )
        self._merges = Counter(
            "pairmill_index_merges_refused",
            "Times that an index was left in too many segments, as their merger is refused, by reason.",
            ("reason",),
            registry=registry,
        )
        self._seconds = Histogram(
            "pairmill_index_change_seconds",
            "Time that a change of an index took.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._recall = Gauge(
            "pairmill_index_recall",
            "Lowest recall@10 against exact search in the version published last; 1 before the first.",
            ("bucket", "model"),
            registry=registry,
        )
        self._total = Gauge(
            "pairmill_index_step_rows",
            "Rows that the step under way has to go through; 0 where nothing is at work.",
            registry=registry,
        )
        self._done = Gauge(
            "pairmill_index_step_done_rows", "Rows that it has gone through.", registry=registry
        )
        self._stand_at_the_start()

    def indexed(self, change: Change, seconds: float, recall: Mapping[tuple[str, str], float]) -> None:
        """Counts an index that is up to date."""
        self._changes.labels(change).inc()
        if change == "none":
            return
        self._seconds.observe(seconds)
        for (bucket, modality), found in recall.items():
            self._recall.labels(bucket, modality).set(found)

    def refused(self, reason: Refusal) -> None:
        """Counts a task that was set aside."""
        self._refusals.labels(reason.value).inc()

    def merge_refused(self, reason: Refusal) -> None:
        """Counts an index that was left with more segments than it should have."""
        self._merges.labels(reason.value).inc()

    def step(self, done: int, total: int) -> None:
        """Sets how far the step under way has come."""
        self._done.set(done)
        self._total.set(total)

    def _stand_at_the_start(self) -> None:
        for change in _CHANGES:
            self._changes.labels(change)
        for reason in Refusal:
            self._refusals.labels(reason.value)
        for reason in MERGE_REFUSALS:
            self._merges.labels(reason.value)
        for bucket in LANGUAGE_BUCKETS:
            for modality in Modality:
                self._recall.labels(bucket, modality.value).set(1)
