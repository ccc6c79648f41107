"""Verdicts as they stand in `data/`, seen from the rules that made them."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from pairmill.reasons import outcome_name, reason_name
from pairmill.verdict import ScoreColumns, decide, float_column, one_array
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.job.v1.job_pb2 import ScoreRules

DUPLICATE_CLUSTER: Final = reason_name(Reason.REASON_DUPLICATE_CLUSTER)
DUPLICATE_URL: Final = reason_name(Reason.REASON_DUPLICATE_URL)
OVER_CAP: Final = reason_name(Reason.REASON_OVER_CAP)

CHOICE_REASONS: Final = frozenset({DUPLICATE_CLUSTER, DUPLICATE_URL, OVER_CAP})
"""Reasons of choices over the whole set; all others follow from a sample's own scores."""

SCORE_NAMES: Final = ("similarity", "punsafe", "pwatermark", "toxicity", "AESTHETIC_SCORE")
"""Columns of `data/` that hold scores."""


def score_columns(table: pa.Table) -> ScoreColumns:
    """Returns the scores of rows of `data/`, which names some of them as LAION does."""
    return ScoreColumns(
        similarity=float_column(table, "similarity"),
        language=one_array(table, "LANGUAGE"),
        unsafe_score=float_column(table, "punsafe"),
        watermark_score=float_column(table, "pwatermark"),
        toxicity=float_column(table, "toxicity"),
        aesthetic_score=float_column(table, "AESTHETIC_SCORE"),
    )


def verdicts_by_scores(table: pa.Table, rules: ScoreRules) -> list[tuple[str, str]]:
    """Returns the (outcome, reason) that each row's scores give by themselves."""
    outcomes, reasons = decide(score_columns(table), rules)
    return [
        (_OUTCOMES[int(outcome)], _REASONS[int(reason)])
        for outcome, reason in zip(outcomes, reasons, strict=True)
    ]


_OUTCOMES: Final = {int(number): outcome_name(number) for number in Outcome.values()}
_REASONS: Final = {int(number): reason_name(number) for number in Reason.values()}
