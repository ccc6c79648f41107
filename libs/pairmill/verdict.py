"""Verdicts: from written scores and a job's thresholds to outcome and reason.

A pure function of stored values, so that thresholds can be cut again at any time without fetching or
inferring. Comparisons are made in float32, the type that scores and thresholds are written in (U11).

The first rule that a sample breaks names its reason, in this order:

1. `bad_embedding` (failed): there is no finite similarity.
2. `low_similarity`: similarity < the threshold of the language. Looked up under the language, then
   under `*`; for an undetermined language under `nolang`, then under `*`. Without any, no threshold.
3. `unsafe`: unsafe score > the maximum.
4. `watermark`: watermark score > the maximum.
5. `toxic`: toxicity > the maximum.
6. `low_aesthetic`: aesthetic score < the minimum.

A value equal to its threshold passes. Where a rule is set and the score is unknown (null or NaN, as
when the bundle has no such head), the sample breaks the rule: unknown is never taken for safe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.job.v1.job_pb2 import ScoreRules

Floats: TypeAlias = npt.NDArray[np.float32]
Flags: TypeAlias = npt.NDArray[np.bool_]
Enums: TypeAlias = npt.NDArray[np.int32]

ANY_LANGUAGE: Final = "*"
NO_LANGUAGE: Final = "nolang"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreColumns:
    """Scores of n samples, row-aligned; NaN stands for unknown."""

    similarity: Floats  # (n,), cosine in [-1, 1]
    language: pa.Array[Any]  # (n,), ISO 639-1, null or empty if undetermined
    unsafe_score: Floats | None = None  # (n,), [0, 1]; None if unknown for all
    watermark_score: Floats | None = None  # (n,), [0, 1]
    toxicity: Floats | None = None  # (n,), [0, 1]
    aesthetic_score: Floats | None = None  # (n,), predictor's scale

    @classmethod
    def from_table(cls, table: pa.Table) -> ScoreColumns:
        """Returns the columns of a table that names them like `schemas.SCORED`; nulls become NaN."""
        return cls(
            similarity=float_column(table, "similarity"),
            language=one_array(table, "language"),
            unsafe_score=float_column(table, "unsafe_score"),
            watermark_score=float_column(table, "watermark_score"),
            toxicity=float_column(table, "toxicity"),
            aesthetic_score=float_column(table, "aesthetic_score"),
        )


def decide(columns: ScoreColumns, rules: ScoreRules) -> tuple[Enums, Enums]:
    """Returns (outcomes, reasons), each (n,) int32 with numbers of `Outcome` and `Reason`.

    Outcomes are kept, filtered or failed; the reason of a kept sample is unspecified.
    """
    size = len(columns.similarity)
    outcomes = np.full(size, Outcome.OUTCOME_KEPT, dtype=np.int32)
    reasons = np.full(size, Reason.REASON_UNSPECIFIED, dtype=np.int32)
    # The last assignment wins, so the rules are applied from the last to the first.
    for broken, reason in reversed(_broken_rules(columns, rules)):
        outcomes[broken] = Outcome.OUTCOME_FILTERED
        reasons[broken] = reason
    bad = ~np.isfinite(columns.similarity)
    outcomes[bad] = Outcome.OUTCOME_FAILED
    reasons[bad] = Reason.REASON_BAD_EMBEDDING
    return outcomes, reasons


def similarity_thresholds(language: pa.Array[Any], minimum: Mapping[str, float]) -> Floats:
    """Returns the least similarity of each row, (n,) float32; -inf where none is set."""
    encoded = language.dictionary_encode()
    nothing = np.float32("-inf")
    other = minimum.get(ANY_LANGUAGE, nothing)
    undetermined = minimum.get(NO_LANGUAGE, other)
    by_code = [minimum.get(name, other) if name else undetermined for name in encoded.dictionary.to_pylist()]
    table = np.array([*by_code, undetermined], dtype=np.float32)
    codes = encoded.indices.fill_null(len(by_code)).to_numpy(zero_copy_only=False)
    return np.asarray(table[codes], dtype=np.float32)


def float_column(table: pa.Table, name: str) -> Floats:
    """Returns a column as (n,) float32 with NaN for null."""
    values = one_array(table, name).cast(pa.float32()).to_numpy(zero_copy_only=False)
    return np.asarray(values, dtype=np.float32)


def one_array(table: pa.Table, name: str) -> pa.Array[Any]:
    """Returns a column as one array, whatever chunks the table has."""
    column = table.column(name)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _broken_rules(columns: ScoreColumns, rules: ScoreRules) -> list[tuple[Flags, Reason.ValueType]]:
    """Which rows break which rule, in the order in which rules name the reason."""
    broken = [
        (
            columns.similarity < similarity_thresholds(columns.language, rules.min_similarity),
            Reason.REASON_LOW_SIMILARITY,
        )
    ]
    if rules.HasField("max_unsafe_score"):
        broken.append((_above(columns, columns.unsafe_score, rules.max_unsafe_score), Reason.REASON_UNSAFE))
    if rules.HasField("max_watermark_score"):
        above = _above(columns, columns.watermark_score, rules.max_watermark_score)
        broken.append((above, Reason.REASON_WATERMARK))
    if rules.HasField("max_toxicity"):
        broken.append((_above(columns, columns.toxicity, rules.max_toxicity), Reason.REASON_TOXIC))
    if rules.HasField("min_aesthetic_score"):
        below = _below(columns, columns.aesthetic_score, rules.min_aesthetic_score)
        broken.append((below, Reason.REASON_LOW_AESTHETIC))
    return broken


def _above(columns: ScoreColumns, scores: Floats | None, maximum: float) -> Flags:
    """Rows whose score is over the maximum or unknown."""
    if scores is None:
        return np.ones(len(columns.similarity), dtype=np.bool_)
    return ~(scores <= np.float32(maximum))  # written so that NaN breaks the rule


def _below(columns: ScoreColumns, scores: Floats | None, minimum: float) -> Flags:
    """Rows whose score is under the minimum or unknown."""
    if scores is None:
        return np.ones(len(columns.similarity), dtype=np.bool_)
    return ~(scores >= np.float32(minimum))
