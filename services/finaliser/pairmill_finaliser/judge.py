"""Verdicts of rows by the job's thresholds, and the clusters that phase 4 found. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pairmill.idarrays import Flags, Words, ascending, find, words_of
from pairmill.reasons import outcome_name
from pairmill.verdict import Enums, ScoreColumns, decide, one_array
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.job.v1.job_pb2 import ScoreRules

JUDGED_COLUMNS = (
    "sample_id",
    "outcome",
    "reason",
    "similarity",
    "language",
    "unsafe_score",
    "watermark_score",
    "toxicity",
    "aesthetic_score",
)
"""Columns of a row that a verdict depends on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Values by id, ascending by id."""

    ids: Words  # (n, 2)
    places: np.ndarray[tuple[int], np.dtype[np.int64]]  # (n,) where each stood when it was given

    @classmethod
    def of(cls, ids: Words) -> Lookup:
        """Returns a lookup of the positions of ids, each of which occurs once."""
        order = ascending(ids)
        return cls(ids=ids[order], places=order)

    def find(self, wanted: Words) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Returns the position of each wanted id, or -1."""
        found = find(self.ids, wanted)
        return np.where(found >= 0, self.places[found] if len(self.places) else -1, -1)


def judge(table: pa.Table, rules: ScoreRules) -> tuple[Enums, Enums]:
    """Returns outcomes and reasons of rows by thresholds alone, each `(n,) int32`.

    A row that failed before it had scores stays as it is; its reason is not known here and given as
    unspecified.
    """
    outcomes, reasons = decide(ScoreColumns.from_table(table), rules)
    failed = has_failed(table)
    outcomes[failed] = Outcome.OUTCOME_FAILED
    reasons[failed] = Reason.REASON_UNSPECIFIED
    return outcomes, reasons


def has_failed(table: pa.Table) -> Flags:
    """Returns which rows failed before they were scored."""
    name = pa.scalar(outcome_name(Outcome.OUTCOME_FAILED))
    failed = pc.equal(one_array(table, "outcome"), name).fill_null(False)
    return np.asarray(failed.to_numpy(zero_copy_only=False), dtype=np.bool_)


def clusters_of_rows(table: pa.Table, samples: Words, known: Lookup, clusters: Words) -> Words:
    """Returns the cluster of each row: the one it was stored with, else the one found, else its own id."""
    cluster = samples.copy()
    places = known.find(samples)
    cluster[places >= 0] = clusters[places[places >= 0]]
    stored = one_array(table, "cluster_id")
    given = np.asarray(stored.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)
    cluster[given] = words_of(stored)[given]
    return cluster
