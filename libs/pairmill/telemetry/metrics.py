"""The measures that all stages share, under one name each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pairmill.bus.port import TopicPartition
from pairmill.clock import Clock, SystemClock
from pairmill.dataset.roles import FINAL_OUTPUTS
from pairmill.reasons import outcome_name, reason_name
from pairmill.stage.observer import UnitEnding
from pairmill.stage.port import Tally
from pairmill.telemetry.endings import possible_endings
from pairmill.telemetry.process import describe_process
from pairmill.telemetry.progress import PartitionProgress
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, Stage

_UNIT_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180, 600, 1800)
_UNIT_ROWS: Final = (1, 10, 100, 1_000, 2_500, 5_000, 10_000, 100_000, 1_000_000, 10_000_000)
_ENDINGS: Final[tuple[UnitEnding, ...]] = ("done", "failed", "retried", "cut_off", "unwanted", "poison")
_CAUSES: Final = ("dependency", "breaker")
_INVALID: Final = "invalid_record"
_STEP: Final = "step"
_ROLES: Final[Mapping[Stage.ValueType, tuple[str, ...]]] = {
    Stage.STAGE_CRAWL: ("drop_samples", _STEP),
    Stage.STAGE_PLAN: (_STEP,),
    Stage.STAGE_DOWNLOAD: ("shard", "shard_index", "shard_stats", _STEP),
    Stage.STAGE_EMBED: ("image_embeddings", "text_embeddings", "embedding_metadata", _STEP),
    Stage.STAGE_SCORE: ("kept_shard", _STEP),
    Stage.STAGE_FINALISE: ("samples", "train_shard", "train_index", _STEP),
}
"""Roles of the objects that units of a stage write; what is no part of the dataset is a step."""


class StageMetrics:
    """Takes the stage loop's measures into a registry. Labels come from closed sets."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        stage: Stage.ValueType,
        clock: Clock | None = None,
    ) -> None:
        describe_process(registry)
        self._count_rows(registry, stage)
        self._count_units(registry)
        self._show_queue(registry, clock or SystemClock())
        self._show_pauses(registry)

    # Taking measures

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
        if tally:
            self._unit_rows.observe(sum(tally.values()))

    def stored(self, outputs: Sequence[ObjectRef]) -> None:
        """Counts the bytes of the objects of a unit that is durable."""
        for output in outputs:
            role = output.role if output.role in FINAL_OUTPUTS else _STEP
            self._bytes.labels(role).inc(output.bytes)

    def units_in_flight(self, units: int) -> None:
        """Sets the number of units at work."""
        self._in_flight.set(units)

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Notes that these partitions moved on."""
        self._progress.moved(offsets)

    def lag(self, lag: Mapping[TopicPartition, int]) -> None:
        """Sets lag, and since when it has not moved, for the owned partitions."""
        self._progress.looked(lag)

    def paused(self, cause: str, paused: bool) -> None:
        """Sets whether the stage takes no work for a cause."""
        if paused and not self._is_paused.get(cause, False):
            self._pauses.labels(cause).inc()
        self._is_paused[cause] = paused
        self._paused.labels(cause).set(paused)

    # What is measured

    def _count_rows(self, registry: CollectorRegistry, stage: Stage.ValueType) -> None:
        self._rows = Counter(
            "pairmill_records_processed",
            "Rows of finished units by how and why they ended.",
            ("outcome", "reason"),
            registry=registry,
        )
        for outcome, reason in sorted(possible_endings(stage)):
            self._rows.labels(outcome_name(outcome), reason_name(reason))
        self._bytes = Counter(
            "pairmill_stored_bytes",
            "Bytes of the objects of finished units by what they are; `step` is no part of the dataset.",
            ("role",),
            registry=registry,
        )
        for role in _ROLES.get(stage, (_STEP,)):
            self._bytes.labels(role)
        self._unit_rows = Histogram(
            "pairmill_unit_rows",
            "Rows of a finished unit.",
            buckets=_UNIT_ROWS,
            registry=registry,
        )

    def _count_units(self, registry: CollectorRegistry) -> None:
        self._units = Counter(
            "pairmill_units", "Units by how work on them ended.", ("result",), registry=registry
        )
        for ending in _ENDINGS:
            self._units.labels(ending)
        self._seconds = Histogram(
            "pairmill_unit_processing_seconds",
            "Time that a unit was at work.",
            buckets=_UNIT_SECONDS,
            registry=registry,
        )
        self._in_flight = Gauge("pairmill_units_in_flight", "Units at work now.", registry=registry)
        self._last = Gauge(
            "pairmill_last_record_timestamp_seconds",
            "When a unit last ended, Unix time; 0 before the first.",
            registry=registry,
        )
        self._dead_letters = Counter(
            "pairmill_dead_letters",
            "Messages that were set aside by reason.",
            ("reason",),
            registry=registry,
        )
        self._dead_letters.labels(_INVALID)

    def _show_queue(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._progress = PartitionProgress(
            clock,
            lag=Gauge(
                "pairmill_consumer_lag_records",
                "Messages after the committed offset, of owned partitions.",
                ("topic", "partition"),
                registry=registry,
            ),
            quiet=Gauge(
                "pairmill_seconds_since_progress",
                "For how long the committed offset of a partition with lag has not moved; 0 without lag.",
                ("topic", "partition"),
                registry=registry,
            ),
        )

    def _show_pauses(self, registry: CollectorRegistry) -> None:
        self._paused = Gauge(
            "pairmill_paused",
            "Whether the stage takes no work for a cause.",
            ("cause",),
            registry=registry,
        )
        self._pauses = Counter(
            "pairmill_pauses",
            "How often the stage stopped taking work for a cause.",
            ("cause",),
            registry=registry,
        )
        self._is_paused = dict.fromkeys(_CAUSES, False)
        for cause in _CAUSES:
            self._paused.labels(cause).set(0)
            self._pauses.labels(cause)
