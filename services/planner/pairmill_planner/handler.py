"""The planner's step: a wave's candidate files in, a plan and its download units out (U8)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from pairmill.errors import CutOffError
from pairmill.idarrays import Flags, Words
from pairmill.stage.port import UnitContext, UnitResult
from pairmill.units import new_task
from pairmill_planner.candidates import wave_candidates
from pairmill_planner.config import PlannerConfig
from pairmill_planner.exclusion import excluded_urls
from pairmill_planner.known_good import check_known_good
from pairmill_planner.plan import Plan, make_plan
from pairmill_planner.seen_index import SeenIndex
from pairmill_protos.unit.v1.unit_pb2 import (
    DownloadInput,
    ObjectRef,
    References,
    Stage,
    UnitInput,
    UnitTask,
)

PLAN_ROLE = "plan"


class PlanHandler:
    """Plans one wave of one range of host buckets per unit. Thread-safe: units share nothing."""

    stage: Stage.ValueType = Stage.STAGE_PLAN

    def __init__(self, config: PlannerConfig) -> None:
        self._config = config

    def handle(self, context: UnitContext) -> UnitResult:
        """Returns the plan, the seen index after it, and the download units that follow."""
        task = context.task.input.plan
        candidates = wave_candidates(
            context,
            _references(context, task.candidates),
            whole_file_bytes=self._config.whole_file_bytes,
            check=lambda rows: _check(context, rows),
        )
        seen = SeenIndex(context, _references(context, task.seen))
        plan = make_plan(
            candidates,
            context.spec,
            task.range,
            seen=seen.contains,
            excluded=lambda urls: _excluded(context, urls),
            scratch=context.scratch,
        )
        outputs, follow_ups = _store(context, plan)
        return UnitResult(
            rows_in=plan.links,
            tally=plan.tally,
            outputs=[*outputs, *seen.with_new(plan.new_urls)],
            follow_ups=follow_ups,
        )

    def self_test(self) -> None:
        """Plans a small wave whose plan is known."""
        with tempfile.TemporaryDirectory(prefix="pairmill-plan-") as folder:
            check_known_good(Path(folder))

    def close(self) -> None:
        """Does nothing: there are no child processes and no connections."""


def _store(context: UnitContext, plan: Plan) -> tuple[list[ObjectRef], list[UnitTask]]:
    if plan.path is None:
        return [], []
    key = context.key("steps/plan", ".parquet")
    ref = context.put_file(key, plan.path, role=PLAN_ROLE, rows=sum(plan.rows))
    units = zip(plan.rows, plan.first_buckets, strict=True)
    return [ref], [
        new_task(
            spec=context.task.spec,
            job_id=context.task.job_id,
            unit_id=f"{context.task.unit_id}/d{number:05d}",
            unit_input=UnitInput(
                download=DownloadInput(
                    rows=ref, row_group=number, first_bucket=bucket, retry_round=0, waits=False
                )
            ),
            rows=rows,
        )
        for number, (rows, bucket) in enumerate(units)
    ]


def _references(context: UnitContext, listed: References) -> list[ObjectRef]:
    if listed.HasField("listed"):
        data = context.store.get(listed.listed.key, sha256=listed.listed.sha256)
        return list(References.FromString(data).inline)
    return list(listed.inline)


def _excluded(context: UnitContext, urls: Words) -> Flags:
    if not context.spec.plan.HasField("exclusion_list"):
        return np.zeros(len(urls), dtype=np.bool_)
    return excluded_urls(context.fetch(context.spec.plan.exclusion_list), urls)


def _check(context: UnitContext, rows: int) -> None:
    """A plan has nothing to show before it is whole: cut off, it is delivered again."""
    if context.cut_off.is_set():
        raise CutOffError("the plan unit was cut off")
    context.report_progress(rows, 0)
