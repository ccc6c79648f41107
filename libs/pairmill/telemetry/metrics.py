"""The measures that all stages share, under one name each."""

from __future__ import annotations

import time
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pairmill import __version__
from pairmill.bus.port import TopicPartition
from pairmill.reasons import outcome_name, reason_name
from pairmill.stage.observer import UnitEnding
from pairmill.stage.port import Tally
from pairmill_protos.common.v1.outcome_pb2 import Outcome

_UNIT_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600, 1800)
_ENDINGS: tuple[UnitEnding, ...] = ("done", "failed", "retried", "cut_off", "unwanted", "poison")
_CAUSES = ("dependency", "breaker")
_INVALID = "invalid_record"


class StageMetrics:
    """Takes the stage loop's measures into a registry. Labels come from closed sets."""

    def __init__(self, registry: CollectorRegistry, *, service: str) -> None:
        self._rows = Counter(
            "pairmill_records_processed",
            "Rows of finished units by how and why they ended.",
            ("outcome", "reason"),
            registry=registry,
        )
        self._units = Counter("pairmill_units", "Units by how work ended.", ("result",), registry=registry)
        self._seconds = Histogram(
            "pairmill_unit_processing_seconds",
            "Time that a unit was at work.",
            buckets=_UNIT_SECONDS,
            registry=registry,
        )
        self._in_flight = Gauge("pairmill_units_in_flight", "Units at work now.", registry=registry)
        self._lag = Gauge(
            "pairmill_consumer_lag_records",
            "Messages after the committed offset.",
            ("topic", "partition"),
            registry=registry,
        )
        self._paused = Gauge(
            "pairmill_paused", "Whether the stage takes no work for a cause.", ("cause",), registry=registry
        )
        self._last = Gauge(
            "pairmill_last_record_timestamp_seconds", "When a unit last ended, Unix time.", registry=registry
        )
        self._progress_at: dict[TopicPartition, tuple[int, float]] = {}
        self._quiet = Gauge(
            "pairmill_seconds_since_progress",
            "For how long a partition with lag has not moved.",
            ("topic", "partition"),
            registry=registry,
        )
        Gauge(
            "pairmill_build_info",
            "1, with the version of the code.",
            ("service", "version"),
            registry=registry,
        ).labels(service, __version__).set(1)
        self._dead_letters = Counter(
            "pairmill_dead_letters", "Messages set aside by reason.", ("reason",), registry=registry
        )
        self._dead_letters.labels(_INVALID)
        for ending in _ENDINGS:
            self._units.labels(ending)
        for outcome in Outcome.values():
            if outcome != Outcome.OUTCOME_UNSPECIFIED:
                self._rows.labels(outcome_name(outcome), "")
        for cause in _CAUSES:
            self._paused.labels(cause).set(0)

    def unit_ended(self, ending: UnitEnding, seconds: float) -> None:
        """Counts a unit that left the worker threads."""
        self._units.labels(ending).inc()
        if ending == "poison":
            self._dead_letters.labels(_INVALID).inc()
        if seconds > 0:
            self._seconds.observe(seconds)
        self._last.set_to_current_time()

    def rows(self, tally: Tally) -> None:
        """Counts the rows of a unit that is durable."""
        for (outcome, reason), rows in tally.items():
            self._rows.labels(outcome_name(outcome), reason_name(reason)).inc(rows)

    def units_in_flight(self, units: int) -> None:
        """Sets the number of units at work."""
        self._in_flight.set(units)

    def lag(self, lag: Mapping[TopicPartition, int]) -> None:
        """Sets lag, and since when it has not moved, for the owned partitions."""
        now = time.monotonic()
        for source, records in lag.items():
            before, since = self._progress_at.get(source, (records, now))
            since = since if records and records == before else now
            self._progress_at[source] = (records, since)
            self._lag.labels(source.topic, source.partition).set(records)
            self._quiet.labels(source.topic, source.partition).set(now - since)
        for source in self._progress_at.keys() - lag.keys():
            del self._progress_at[source]
            self._lag.remove(source.topic, source.partition)
            self._quiet.remove(source.topic, source.partition)

    def paused(self, cause: str, paused: bool) -> None:
        """Sets whether the stage takes no work for a cause."""
        self._paused.labels(cause).set(paused)
