"""The finaliser's step: one partition of one phase (U12)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from pairmill.ledger.phases import Phase
from pairmill.stage.port import Tally, UnitContext, UnitResult
from pairmill_finaliser.bands import find_neighbours
from pairmill_finaliser.choose import choose
from pairmill_finaliser.clusters import find_clusters
from pairmill_finaliser.config import FinaliserConfig
from pairmill_finaliser.contents import find_bands
from pairmill_finaliser.known_good import check_known_good
from pairmill_finaliser.scatter import scatter
from pairmill_finaliser.step import Step
from pairmill_finaliser.thresholds import cut_by_thresholds
from pairmill_finaliser.write_data import write_data
from pairmill_finaliser.write_train import write_train
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.unit.v1.unit_pb2 import FinalisePhase, Stage

_SORTING: Final[Mapping[Phase, Callable[[Step], int]]] = {
    FinalisePhase.FINALISE_PHASE_SCATTER: scatter,
    FinalisePhase.FINALISE_PHASE_CONTENTS: find_bands,
    FinalisePhase.FINALISE_PHASE_BANDS: find_neighbours,
    FinalisePhase.FINALISE_PHASE_CLUSTERS: find_clusters,
    FinalisePhase.FINALISE_PHASE_THRESHOLDS: cut_by_thresholds,
    FinalisePhase.FINALISE_PHASE_CHOOSE_CLUSTER: choose,
    FinalisePhase.FINALISE_PHASE_CHOOSE_URL: choose,
    FinalisePhase.FINALISE_PHASE_CHOOSE_CAP: choose,
}
"""Phases that only sort what they read for the phases after them; each returns the rows it read."""


class FinaliseHandler:
    """Works on one partition of a phase per unit. Thread-safe: units share nothing.

    Only WRITE_DATA counts final outcomes, each sample once; the rows of all other phases pass.
    """

    stage: Stage.ValueType = Stage.STAGE_FINALISE

    def __init__(self, config: FinaliserConfig) -> None:
        self._config = config

    def handle(self, context: UnitContext) -> UnitResult:
        """Returns the effect of a unit. Raises ValueError for a phase that this version does not know."""
        step = Step(context)
        step.check()
        phase = step.unit.phase
        if phase == FinalisePhase.FINALISE_PHASE_WRITE_DATA:
            tally, outputs = write_data(step)
            return UnitResult(rows_in=sum(tally.values()), tally=tally, outputs=outputs)
        if phase == FinalisePhase.FINALISE_PHASE_WRITE_TRAIN:
            rows, outputs = write_train(step, threads=self._config.image_threads)
            return UnitResult(rows_in=rows, tally=_passed(rows), outputs=outputs)
        if phase not in _SORTING:
            raise ValueError(f"there is no phase {phase}")
        rows = _SORTING[phase](step)
        return UnitResult(rows_in=rows, tally=_passed(rows), outputs=step.store())

    def self_test(self) -> None:
        """Clusters, judges and packs a few samples whose result is known."""
        check_known_good()

    def close(self) -> None:
        """Does nothing: there are no child processes and no connections."""


def _passed(rows: int) -> Tally:
    return {(Outcome.OUTCOME_PASSED, Reason.REASON_UNSPECIFIED): rows}
