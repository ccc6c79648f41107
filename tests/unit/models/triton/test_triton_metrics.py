"""Measures of requests to Triton."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from pairmill_models.triton_metrics import TritonMetrics

ENDINGS = ("answered", "busy", "away", "slow", "refused", "wrong")


def test_every_ending_stands_at_zero_from_the_start() -> None:
    registry = CollectorRegistry()
    TritonMetrics(registry)
    for model in ("image", "text"):
        for result in ENDINGS:
            labels = {"model": model, "result": result}
            assert registry.get_sample_value("pairmill_triton_requests_total", labels) == 0


def test_requests_are_counted_with_their_rows_and_time() -> None:
    registry = CollectorRegistry()
    metrics = TritonMetrics(registry)
    metrics.requested("text", 64, 0.5, "answered")
    metrics.requested("text", 32, 0.25, "busy")
    for result, count in (("answered", 1), ("busy", 1), ("slow", 0)):
        labels = {"model": "text", "result": result}
        assert registry.get_sample_value("pairmill_triton_requests_total", labels) == count
    assert registry.get_sample_value("pairmill_triton_request_rows_sum", {"model": "text"}) == 96
    assert registry.get_sample_value("pairmill_triton_request_seconds_sum", {"model": "text"}) == 0.75
