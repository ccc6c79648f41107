"""Measures start at zero, have closed labels and follow the naming."""

from __future__ import annotations

import re

from prometheus_client import CollectorRegistry

from pairmill.bus.port import TopicPartition
from pairmill.telemetry.metrics import StageMetrics
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason

NAME = re.compile(r"pairmill_[a-z0-9_]+")


def test_all_names_follow_the_naming() -> None:
    registry = CollectorRegistry()
    StageMetrics(registry, service="crawler")
    families = list(registry.collect())
    assert families
    for family in families:
        assert NAME.fullmatch(family.name)
        assert family.documentation.endswith(".")
        if family.type == "counter":
            assert all(each.name.endswith(("_total", "_created")) for each in family.samples)


def test_closed_labels_stand_at_zero_from_the_start() -> None:
    registry = CollectorRegistry()
    StageMetrics(registry, service="crawler")
    for ending in ("done", "failed", "retried", "cut_off", "unwanted", "poison"):
        assert registry.get_sample_value("pairmill_units_total", {"result": ending}) == 0
    for outcome in ("kept", "failed", "filtered", "dead_letter"):
        labels = {"outcome": outcome, "reason": ""}
        assert registry.get_sample_value("pairmill_records_processed_total", labels) == 0
    assert registry.get_sample_value("pairmill_paused", {"cause": "breaker"}) == 0
    assert registry.get_sample_value("pairmill_dead_letters_total", {"reason": "invalid_record"}) == 0


def test_rows_are_counted_by_outcome_and_reason() -> None:
    registry = CollectorRegistry()
    metrics = StageMetrics(registry, service="crawler")
    metrics.rows({(Outcome.OUTCOME_FAILED, Reason.REASON_HTTP_5XX): 3})
    metrics.rows({(Outcome.OUTCOME_FAILED, Reason.REASON_HTTP_5XX): 4})
    labels = {"outcome": "failed", "reason": "http_5xx"}
    assert registry.get_sample_value("pairmill_records_processed_total", labels) == 7


def test_a6_poison_is_counted_as_a_dead_letter() -> None:
    registry = CollectorRegistry()
    metrics = StageMetrics(registry, service="crawler")
    metrics.unit_ended("poison", 0.0)
    assert registry.get_sample_value("pairmill_dead_letters_total", {"reason": "invalid_record"}) == 1


def test_a18_lag_is_shown_for_owned_partitions_only() -> None:
    registry = CollectorRegistry()
    metrics = StageMetrics(registry, service="crawler")
    metrics.lag({TopicPartition("wat-tasks", 0): 5, TopicPartition("wat-tasks", 1): 0})
    metrics.lag({TopicPartition("wat-tasks", 0): 6})
    name = "pairmill_consumer_lag_records"
    assert registry.get_sample_value(name, {"topic": "wat-tasks", "partition": "0"}) == 6
    assert registry.get_sample_value(name, {"topic": "wat-tasks", "partition": "1"}) is None
