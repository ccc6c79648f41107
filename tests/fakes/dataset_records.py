"""Ledger records of a synthetic dataset's units."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pairmill.reasons import parse_outcome, parse_reason
from pairmill.units import follow_up_list, reference_list
from pairmill_protos.common.v1.outcome_pb2 import Count
from pairmill_protos.unit.v1.unit_pb2 import LedgerRecord, ObjectRef, UnitDone, UnitFailed, UnitTask


@dataclass(kw_only=True)
class Effect:
    """What a unit comes to."""

    counts: Counter[tuple[str, str]]
    outputs: list[ObjectRef] = field(default_factory=list)
    follow_ups: list[UnitTask] = field(default_factory=list)


def done_record(
    task: UnitTask, attempt: str, effect: Effect, second: int
) -> tuple[LedgerRecord, dict[str, bytes]]:
    """Returns the record of a unit that ended, and the objects that its long lists stand in."""
    outputs, listed = reference_list(effect.outputs, task.job_id)
    follow_ups, more = follow_up_list(effect.follow_ups, task.job_id)
    done = UnitDone(
        job_id=task.job_id,
        stage=task.stage,
        unit_id=task.unit_id,
        input_digest=task.input_digest,
        attempt=attempt,
        rows_in=sum(effect.counts.values()),
        counts=[
            Count(outcome=parse_outcome(outcome), reason=parse_reason(reason), rows=rows)
            for (outcome, reason), rows in sorted(effect.counts.items())
            if rows
        ],
        outputs=outputs,
        follow_ups=follow_ups,
    )
    done.started_at.FromSeconds(1_700_000_000 + second)
    done.finished_at.FromSeconds(1_700_000_005 + second)
    return LedgerRecord(done=done), listed | more


def failed_record(task: UnitTask, attempt: str) -> LedgerRecord:
    """Returns the record of an attempt that raised."""
    return LedgerRecord(
        failed=UnitFailed(
            job_id=task.job_id,
            stage=task.stage,
            unit_id=task.unit_id,
            input_digest=task.input_digest,
            attempt=attempt,
            error_class="RuntimeError",
            error="it broke",
            rows=task.rows,
        )
    )
