"""Phase 5: what passes the thresholds, by the key of the first choice."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from pairmill.idarrays import Words, array_of
from pairmill.ledger.phases import CHOICE_ROLE, CLUSTERS_ROLE, choices_of, next_choice
from pairmill.verdict import one_array
from pairmill_finaliser.choose import choice_key
from pairmill_finaliser.judge import JUDGED_COLUMNS, Lookup, clusters_of_rows, judge
from pairmill_finaliser.keys import by_choice_key, domain_ids
from pairmill_finaliser.scatter import ids_of
from pairmill_finaliser.step import Step
from pairmill_finaliser.steps import SCHEMAS
from pairmill_protos.common.v1.outcome_pb2 import Outcome
from pairmill_protos.unit.v1.unit_pb2 import FinalisePhase

_COLUMNS: Final = (*JUDGED_COLUMNS, "url_id", "cluster_id")


def cut_by_thresholds(step: Step) -> int:
    """Writes what passes of an id range by the first choice's key; returns the rows read."""
    choice = next_choice(step.spec, FinalisePhase.FINALISE_PHASE_THRESHOLDS)
    if choice is None:
        raise ValueError("the job asks for no choice, so that nothing comes after its thresholds")
    with_domain = FinalisePhase.FINALISE_PHASE_CHOOSE_CAP in choices_of(step.spec)
    columns = [*_COLUMNS, "domain"] if with_domain else list(_COLUMNS)
    known, clusters = read_clusters(step)
    rows = 0
    for table in step.read_rows(columns):
        outcomes, _ = judge(table, step.spec.score)
        passing = table.filter(pa.array(outcomes == Outcome.OUTCOME_KEPT))
        candidates = _candidates(passing, known, clusters)
        keys = ids_of(candidates, choice_key(choice))
        step.sink(CHOICE_ROLE).add(candidates, by_choice_key(keys, step.partitions))
        rows += len(table)
        step.advance(len(table))
    return rows


def read_clusters(step: Step) -> tuple[Lookup, Words]:
    """Returns the clusters of an id range; 32 bytes for each sample that is not its cluster's first."""
    nothing = np.empty((0, 2), dtype=np.uint64)
    tables = list(step.read(CLUSTERS_ROLE))
    ids = np.concatenate([nothing, *(ids_of(table) for table in tables)])
    clusters = np.concatenate([nothing, *(ids_of(table, "cluster_id") for table in tables)])
    return Lookup.of(ids), clusters


def _candidates(table: pa.Table, known: Lookup, clusters: Words) -> pa.Table:
    samples = ids_of(table)
    if "domain" in table.schema.names:
        domains = array_of(domain_ids(one_array(table, "domain")))
    else:
        domains = pa.nulls(len(table), pa.binary(16))
    return pa.table(
        [
            one_array(table, "sample_id"),
            array_of(clusters_of_rows(table, samples, known, clusters)),
            one_array(table, "url_id"),
            domains,
            one_array(table, "similarity"),
        ],
        schema=SCHEMAS[CHOICE_ROLE],
    )
