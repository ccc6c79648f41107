"""Measures start at zero, have closed labels and follow the naming."""

from __future__ import annotations

import re
from typing import Final

import pytest
from prometheus_client import CollectorRegistry

from pairmill.bus.port import TopicPartition
from pairmill.telemetry.endings import possible_endings
from pairmill.telemetry.metrics import StageMetrics
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, Stage
from tests.fakes.clock import ManualClock

NAME: Final = re.compile(r"(pairmill|process)_[a-z0-9_]+")
ROWS: Final = "pairmill_records_processed_total"
WORKING: Final = [stage for stage in Stage.values() if Stage.STAGE_CRAWL <= stage <= Stage.STAGE_FINALISE]
FIRST: Final = TopicPartition("wat-tasks", 0)
SECOND: Final = TopicPartition("wat-tasks", 1)


class Measured:
    """The measures of a stage, by name."""

    def __init__(self, stage: Stage.ValueType = Stage.STAGE_CRAWL) -> None:
        self.registry = CollectorRegistry()
        self.clock = ManualClock()
        self.metrics = StageMetrics(self.registry, stage=stage, clock=self.clock)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def of(self, name: str, source: TopicPartition) -> float | None:
        return self.value(name, topic=source.topic, partition=str(source.partition))


def test_all_names_follow_the_naming() -> None:
    families = list(Measured().registry.collect())
    assert families
    for family in families:
        assert NAME.fullmatch(family.name)
        assert family.documentation.endswith(".")
        if family.type == "counter":
            assert all(each.name.endswith(("_total", "_created")) for each in family.samples)


def test_closed_labels_stand_at_zero_from_the_start() -> None:
    stage = Measured()
    for ending in ("done", "failed", "retried", "cut_off", "unwanted", "poison"):
        assert stage.value("pairmill_units_total", result=ending) == 0
    for cause in ("dependency", "breaker"):
        assert stage.value("pairmill_paused", cause=cause) == 0
        assert stage.value("pairmill_pauses_total", cause=cause) == 0
    assert stage.value("pairmill_dead_letters_total", reason="invalid_record") == 0
    assert stage.value("pairmill_stored_bytes_total", role="step") == 0


@pytest.mark.parametrize("stage", WORKING, ids=[Stage.Name(stage) for stage in WORKING])
def test_every_ending_that_a_stage_can_count_stands_at_zero(stage: Stage.ValueType) -> None:
    measured = Measured(stage)
    before = _label_sets(measured.registry)
    assert len(before) > 5
    for ending in possible_endings(stage):
        measured.metrics.rows({ending: 1})
    assert _label_sets(measured.registry) == before


@pytest.mark.parametrize(
    ("stage", "outcome", "reason"),
    [
        (Stage.STAGE_CRAWL, Outcome.OUTCOME_DROPPED, Reason.REASON_BOMB),
        (Stage.STAGE_CRAWL, Outcome.OUTCOME_DROPPED, Reason.REASON_CRASHED),
        (Stage.STAGE_PLAN, Outcome.OUTCOME_DROPPED, Reason.REASON_SEEN_BEFORE),
        (Stage.STAGE_DOWNLOAD, Outcome.OUTCOME_FAILED, Reason.REASON_BLOCKED_PORT),
        (Stage.STAGE_DOWNLOAD, Outcome.OUTCOME_FAILED, Reason.REASON_DECODER_CRASH),
        (Stage.STAGE_DOWNLOAD, Outcome.OUTCOME_HANDED_ON, Reason.REASON_HTTP_429),
        (Stage.STAGE_DOWNLOAD, Outcome.OUTCOME_HANDED_ON, Reason.REASON_UNSPECIFIED),
        (Stage.STAGE_EMBED, Outcome.OUTCOME_FAILED, Reason.REASON_TRUNCATED_IMAGE),
        (Stage.STAGE_SCORE, Outcome.OUTCOME_KEPT, Reason.REASON_UNSPECIFIED),
        (Stage.STAGE_SCORE, Outcome.OUTCOME_FAILED, Reason.REASON_BAD_EMBEDDING),
        (Stage.STAGE_FINALISE, Outcome.OUTCOME_FILTERED, Reason.REASON_UNSAFE),
        (Stage.STAGE_FINALISE, Outcome.OUTCOME_FILTERED, Reason.REASON_DUPLICATE_URL),
    ],
)
def test_endings_are_those_of_the_stage(
    stage: Stage.ValueType, outcome: Outcome.ValueType, reason: Reason.ValueType
) -> None:
    assert (outcome, reason) in possible_endings(stage)
    others = {Stage.STAGE_CRAWL: Stage.STAGE_SCORE}.get(stage, Stage.STAGE_CRAWL)
    assert (outcome, reason) not in possible_endings(others)


def test_no_stage_counts_what_only_the_walk_decides() -> None:
    for stage in WORKING:
        endings = possible_endings(stage)
        assert not {outcome for outcome, _ in endings} & {
            Outcome.OUTCOME_DEAD_LETTER,
            Outcome.OUTCOME_CANCELLED,
            Outcome.OUTCOME_UNSPECIFIED,
        }


def test_every_reason_is_counted_by_some_stage_or_by_the_walk() -> None:
    counted = {reason for stage in WORKING for _, reason in possible_endings(stage)}
    by_the_walk = {Reason.REASON_UNIT_FAILED, Reason.REASON_CANCELLED}
    assert set(Reason.values()) - counted == by_the_walk


def test_rows_are_counted_by_outcome_and_reason() -> None:
    stage = Measured(Stage.STAGE_DOWNLOAD)
    stage.metrics.rows({(Outcome.OUTCOME_FAILED, Reason.REASON_HTTP_5XX): 3})
    stage.metrics.rows({(Outcome.OUTCOME_FAILED, Reason.REASON_HTTP_5XX): 4})
    assert stage.value(ROWS, outcome="failed", reason="http_5xx") == 7
    assert stage.value("pairmill_unit_rows_sum") == 7
    assert stage.value("pairmill_unit_rows_count") == 2


def test_bytes_are_counted_by_what_they_are_and_steps_together() -> None:
    stage = Measured(Stage.STAGE_DOWNLOAD)
    roles = {"shard": 100, "shard_stats": 5, "rest": 7, "list": 11}
    stage.metrics.stored([ObjectRef(role=role, bytes=size) for role, size in roles.items()])
    assert stage.value("pairmill_stored_bytes_total", role="shard") == 100
    assert stage.value("pairmill_stored_bytes_total", role="shard_stats") == 5
    assert stage.value("pairmill_stored_bytes_total", role="step") == 18
    assert stage.value("pairmill_stored_bytes_total", role="rest") is None


def test_a6_poison_is_counted_as_a_dead_letter() -> None:
    stage = Measured()
    stage.metrics.unit_ended("poison", 0.0)
    assert stage.value("pairmill_dead_letters_total", reason="invalid_record") == 1


def test_a9_a_pause_is_counted_once_however_long_it_lasts() -> None:
    stage = Measured()
    for paused in (True, True, False, True):
        stage.metrics.paused("dependency", paused)
    assert stage.value("pairmill_pauses_total", cause="dependency") == 2
    assert stage.value("pairmill_paused", cause="dependency") == 1
    assert stage.value("pairmill_paused", cause="breaker") == 0


def test_a18_lag_is_shown_for_owned_partitions_only() -> None:
    stage = Measured()
    stage.metrics.lag({FIRST: 5, SECOND: 0})
    stage.metrics.lag({FIRST: 6})
    assert stage.of("pairmill_consumer_lag_records", FIRST) == 6
    assert stage.of("pairmill_consumer_lag_records", SECOND) is None
    assert stage.of("pairmill_seconds_since_progress", SECOND) is None


def test_a18_time_without_progress_grows_although_more_arrives_and_nobody_looks() -> None:
    stage = Measured()
    quiet = "pairmill_seconds_since_progress"
    stage.metrics.lag({FIRST: 5, SECOND: 0})
    stage.clock.sleep(10)
    stage.metrics.lag({FIRST: 50, SECOND: 0})
    stage.clock.sleep(10)
    assert stage.of(quiet, FIRST) == 20
    assert stage.of(quiet, SECOND) == 0
    stage.metrics.committed({FIRST: 3})
    stage.clock.sleep(1)
    assert stage.of(quiet, FIRST) == 1
    stage.metrics.lag({FIRST: 0, SECOND: 1})
    stage.clock.sleep(3)
    assert (stage.of(quiet, FIRST), stage.of(quiet, SECOND)) == (0, 3)


def _label_sets(registry: CollectorRegistry) -> set[tuple[str, str]]:
    return {
        (sample.labels["outcome"], sample.labels["reason"])
        for family in registry.collect()
        for sample in family.samples
        if sample.name == ROWS
    }
