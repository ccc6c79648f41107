from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill.verdict import ScoreColumns, decide, similarity_thresholds
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.job.v1.job_pb2 import ScoreRules

NAN = float("nan")


def columns(
    similarity: list[float],
    language: list[str | None] | None = None,
    *,
    unsafe: list[float] | None = None,
    watermark: list[float] | None = None,
    toxicity: list[float] | None = None,
    aesthetic: list[float] | None = None,
) -> ScoreColumns:
    def floats(values: list[float] | None) -> np.ndarray | None:
        return None if values is None else np.array(values, dtype=np.float32)

    return ScoreColumns(
        similarity=np.array(similarity, dtype=np.float32),
        language=pa.array(language or ["en"] * len(similarity), pa.string()),
        unsafe_score=floats(unsafe),
        watermark_score=floats(watermark),
        toxicity=floats(toxicity),
        aesthetic_score=floats(aesthetic),
    )


def reasons_of(table: ScoreColumns, rules: ScoreRules) -> list[int]:
    return [int(reason) for reason in decide(table, rules)[1]]


def test_without_rules_all_finite_samples_are_kept() -> None:
    outcomes, reasons = decide(columns([0.3, -1.0]), ScoreRules())
    assert outcomes.tolist() == [Outcome.OUTCOME_KEPT] * 2
    assert reasons.tolist() == [Reason.REASON_UNSPECIFIED] * 2


def test_no_rows_give_no_verdicts() -> None:
    outcomes, reasons = decide(columns([], []), ScoreRules(min_similarity={"*": 0.3}))
    assert len(outcomes) == len(reasons) == 0


@pytest.mark.parametrize("value", [NAN, math.inf, -math.inf])
def test_e15_a_similarity_that_is_not_finite_is_a_bad_embedding(value: float) -> None:
    outcomes, reasons = decide(columns([value, 0.5]), ScoreRules(min_similarity={"*": 0.3}))
    assert outcomes.tolist() == [Outcome.OUTCOME_FAILED, Outcome.OUTCOME_KEPT]
    assert reasons.tolist() == [Reason.REASON_BAD_EMBEDDING, Reason.REASON_UNSPECIFIED]


def test_the_threshold_follows_the_language() -> None:
    found = similarity_thresholds(
        pa.array(["en", "de", None, "", "fr"]), {"en": 0.28, "*": 0.26, "nolang": 0.5}
    )
    assert found.tolist() == pytest.approx([0.28, 0.26, 0.5, 0.5, 0.26])


def test_an_undetermined_language_without_own_threshold_takes_the_general_one() -> None:
    assert similarity_thresholds(pa.array([None], pa.string()), {"*": 0.25}).tolist() == [0.25]
    assert (
        similarity_thresholds(pa.array([None, "de"], pa.string()), {"en": 0.25}).tolist() == [-math.inf] * 2
    )


def test_a_value_equal_to_its_threshold_passes() -> None:
    rules = ScoreRules(
        min_similarity={"*": 0.28}, max_unsafe_score=0.3, max_toxicity=0.7, max_watermark_score=0.8,
        min_aesthetic_score=4.4,
    )  # fmt: skip
    table = columns([0.28], unsafe=[0.3], toxicity=[0.7], watermark=[0.8], aesthetic=[4.4])
    assert reasons_of(table, rules) == [Reason.REASON_UNSPECIFIED]


def test_the_first_broken_rule_names_the_reason() -> None:
    rules = ScoreRules(
        min_similarity={"*": 0.3}, max_unsafe_score=0.5, max_watermark_score=0.5, max_toxicity=0.5,
        min_aesthetic_score=5.0,
    )  # fmt: skip
    table = columns(
        [0.1, 0.4, 0.4, 0.4, 0.4, 0.4],
        unsafe=[0.9, 0.9, 0.1, 0.1, 0.1, 0.1],
        watermark=[0.9, 0.9, 0.9, 0.1, 0.1, 0.1],
        toxicity=[0.9, 0.9, 0.9, 0.9, 0.1, 0.1],
        aesthetic=[1.0, 1.0, 1.0, 1.0, 1.0, 6.0],
    )
    assert reasons_of(table, rules) == [
        Reason.REASON_LOW_SIMILARITY,
        Reason.REASON_UNSAFE,
        Reason.REASON_WATERMARK,
        Reason.REASON_TOXIC,
        Reason.REASON_LOW_AESTHETIC,
        Reason.REASON_UNSPECIFIED,
    ]


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (ScoreRules(max_unsafe_score=1.0), Reason.REASON_UNSAFE),
        (ScoreRules(max_watermark_score=1.0), Reason.REASON_WATERMARK),
        (ScoreRules(max_toxicity=1.0), Reason.REASON_TOXIC),
        (ScoreRules(min_aesthetic_score=0.0), Reason.REASON_LOW_AESTHETIC),
    ],
    ids=["unsafe", "watermark", "toxic", "aesthetic"],
)
def test_an_unknown_score_breaks_a_rule_that_is_set(rules: ScoreRules, reason: int) -> None:
    known = columns([0.5], unsafe=[NAN], watermark=[NAN], toxicity=[NAN], aesthetic=[NAN])
    assert reasons_of(columns([0.5]), rules) == reasons_of(known, rules) == [reason]


def test_columns_come_from_a_table_with_nulls_and_chunks() -> None:
    part = pa.table(
        {
            "similarity": pa.array([0.5, None], pa.float32()),
            "language": pa.array(["en", None], pa.string()),
            **{
                name: pa.array([None, 0.5], pa.float32())
                for name in ("unsafe_score", "watermark_score", "toxicity", "aesthetic_score")
            },
        }
    )
    outcomes, _ = decide(ScoreColumns.from_table(pa.concat_tables([part, part])), ScoreRules())
    assert outcomes.tolist() == [Outcome.OUTCOME_KEPT, Outcome.OUTCOME_FAILED] * 2


score = st.one_of(st.just(NAN), st.floats(-1, 1, width=32))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    rows=st.lists(st.tuples(score, st.sampled_from(["en", "de", None]), score, score), max_size=12),
    minimum=st.dictionaries(st.sampled_from(["en", "*", "nolang"]), st.floats(-1, 1, width=32)),
    unsafe=st.none() | st.floats(0, 1, width=32),
    aesthetic=st.none() | st.floats(-1, 1, width=32),
)
def test_each_row_is_judged_alone(
    rows: list[tuple[float, str | None, float, float]],
    minimum: dict[str, float],
    unsafe: float | None,
    aesthetic: float | None,
) -> None:
    rules = ScoreRules(min_similarity=minimum, max_unsafe_score=unsafe, min_aesthetic_score=aesthetic)
    together = columns(
        [row[0] for row in rows],
        [row[1] for row in rows],
        unsafe=[row[2] for row in rows],
        aesthetic=[row[3] for row in rows],
    )
    alone = [
        reasons_of(columns([row[0]], [row[1]], unsafe=[row[2]], aesthetic=[row[3]]), rules)[0] for row in rows
    ]
    assert reasons_of(together, rules) == alone
