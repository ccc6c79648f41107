"""Phases 6 to 8: choices per group, each partitioned by its own key.

All three are the same: of each key the first so many in some order stay. Rows come in pieces; what is
once left out stays left out, because enough better rows are known, so that only the winners are kept
in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill.idarrays import Flags, first_per_key
from pairmill.ledger.phases import CHOICE_ROLE, LOSERS_ROLE, Phase, next_choice
from pairmill_finaliser.keys import by_choice_key, by_id_range
from pairmill_finaliser.scatter import ids_of
from pairmill_finaliser.step import Step
from pairmill_finaliser.steps import SCHEMAS
from pairmill_protos.common.v1.outcome_pb2 import Reason
from pairmill_protos.job.v1.job_pb2 import FinaliseRules
from pairmill_protos.unit.v1.unit_pb2 import FinalisePhase

_ENOUGH: Final = 100_000

Order = Callable[[pa.Table], tuple[npt.NDArray[Any], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which rows of a key stay."""

    key: str  # column
    order: Order  # the first in this order stay
    limit: Callable[[FinaliseRules], int]  # how many
    reason: Reason.ValueType  # of the others


def _smallest_id(table: pa.Table) -> tuple[npt.NDArray[Any], ...]:
    return (ids_of(table),)


def _most_similar(table: pa.Table) -> tuple[npt.NDArray[Any], ...]:
    """Highest similarity first, ties by the smallest id."""
    return -np.asarray(table.column("similarity").to_numpy(), dtype=np.float32), ids_of(table)


CHOICES: Final[Mapping[Phase, Choice]] = {
    FinalisePhase.FINALISE_PHASE_CHOOSE_CLUSTER: Choice(
        key="cluster_id",
        order=_smallest_id,
        limit=lambda rules: 1,
        reason=Reason.REASON_DUPLICATE_CLUSTER,
    ),
    FinalisePhase.FINALISE_PHASE_CHOOSE_URL: Choice(
        key="url_id", order=_most_similar, limit=lambda rules: 1, reason=Reason.REASON_DUPLICATE_URL
    ),
    FinalisePhase.FINALISE_PHASE_CHOOSE_CAP: Choice(
        key="domain_id",
        order=_smallest_id,
        limit=lambda rules: rules.max_per_domain,
        reason=Reason.REASON_OVER_CAP,
    ),
}


def choice_key(phase: Phase) -> str:
    """Returns the column that a choice is partitioned by."""
    return CHOICES[phase].key


def choose(step: Step) -> int:
    """Writes the winners by the next choice's key and the others by id range; returns the rows read."""
    phase = step.unit.phase
    choice, following = CHOICES[phase], next_choice(step.spec, phase)
    contest = Contest(choice, choice.limit(step.spec.finalise))
    for table in step.read(CHOICE_ROLE):
        _write_losers(step, contest.take(table))
        step.advance(len(table))
    _write_losers(step, contest.settle())
    if following is not None:
        keys = ids_of(contest.winners, choice_key(following))
        step.sink(CHOICE_ROLE).add(contest.winners, by_choice_key(keys, step.partitions))
    return step.context.task.rows


class Contest:
    """The best rows of each key among those taken so far."""

    def __init__(self, choice: Choice, limit: int) -> None:
        self.winners = SCHEMAS[CHOICE_ROLE].empty_table()
        self._choice = choice
        self._limit = limit
        self._waiting: list[pa.Table] = []

    def take(self, table: pa.Table) -> pa.Table:
        """Takes rows; returns (id, reason) of those that are known to be left out by now.

        Rows are put off until there are about as many as winners, so that the work stays near linear.
        """
        self._waiting.append(table)
        if sum(map(len, self._waiting)) < max(len(self.winners), _ENOUGH):
            return SCHEMAS[LOSERS_ROLE].empty_table()
        return self.settle()

    def settle(self) -> pa.Table:
        """Decides on all rows taken; returns (id, reason) of those left out."""
        rows = pa.concat_tables([self.winners, *self._waiting]).combine_chunks()
        order = self._choice.order(rows)
        stay: Flags = first_per_key(ids_of(rows, self._choice.key), *order, limit=self._limit)
        others = rows.filter(pa.array(~stay)).select(["sample_id"])
        reasons = pa.array(np.full(len(others), self._choice.reason, dtype=np.int32))
        self.winners, self._waiting = rows.filter(pa.array(stay)), []
        return others.append_column("reason", reasons)


def _write_losers(step: Step, losers: pa.Table) -> None:
    step.sink(LOSERS_ROLE).add(losers, by_id_range(ids_of(losers), step.partitions))
