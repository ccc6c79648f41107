"""Scores and verdicts as measures."""

from __future__ import annotations

import pyarrow as pa
import pytest
from prometheus_client import CollectorRegistry

from pairmill_scorer.metrics import ScorerMetrics


def rows(**columns: list[object]) -> pa.Table:
    count = len(columns["similarity"])
    kinds = {
        "similarity": pa.float32(),
        "unsafe_score": pa.float32(),
        "watermark_score": pa.float32(),
        "toxicity": pa.float32(),
        "aesthetic_score": pa.float32(),
        "language": pa.string(),
        "outcome": pa.string(),
    }
    return pa.table({name: pa.array(columns.get(name, [None] * count), kind) for name, kind in kinds.items()})


def test_scores_are_counted_by_value_and_those_without_are_not() -> None:
    registry = CollectorRegistry()
    metrics = ScorerMetrics(registry)
    metrics.judged(
        rows(
            similarity=[0.3, 0.28, None, 0.95], aesthetic_score=[5.5, None, None, 12.0], outcome=["kept"] * 4
        )
    )
    metrics.judged(rows(similarity=[-0.5], outcome=["filtered"]))

    def at_most(name: str, bound: str) -> float | None:
        return registry.get_sample_value(f"pairmill_{name}_score_bucket", {"le": bound})

    assert [at_most("similarity", le) for le in ("0.0", "0.26", "0.3", "0.9", "+Inf")] == [1, 1, 3, 3, 4]
    assert registry.get_sample_value("pairmill_similarity_score_count") == 4
    assert registry.get_sample_value("pairmill_similarity_score_sum") == pytest.approx(
        0.3 + 0.28 + 0.95 - 0.5
    )
    assert [at_most("aesthetic", le) for le in ("5.25", "5.5", "9.0", "+Inf")] == [0, 1, 1, 2]
    assert at_most("toxicity", "+Inf") == 0


def test_verdicts_are_counted_by_language() -> None:
    registry = CollectorRegistry()
    metrics = ScorerMetrics(registry)
    metrics.judged(
        rows(
            similarity=[0.3] * 5,
            language=["en", "de", "fr", None, "en"],
            outcome=["kept", "kept", "filtered", "failed", "filtered"],
        )
    )
    found = {
        (bucket, outcome): registry.get_sample_value(
            "pairmill_scored_rows_total", {"bucket": bucket, "outcome": outcome}
        )
        for bucket in ("en", "multi", "nolang")
        for outcome in ("kept", "filtered", "failed")
    }
    assert {key: value for key, value in found.items() if value} == {
        ("en", "kept"): 1,
        ("en", "filtered"): 1,
        ("multi", "kept"): 1,
        ("multi", "filtered"): 1,
        ("nolang", "failed"): 1,
    }
    assert None not in found.values()
