"""How far a job has come, as people see it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import Final

from pairmill.ledger.follower import JobFollower
from pairmill.ledger.walk import Closing, Walk
from pairmill.reasons import outcome_name, reason_name
from pairmill_gateway.attendance import Absence
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.unit.v1.unit_pb2 import Stage

BLOCKED: Final = "blocked"

CANDIDATE_STAGES: Final = (Stage.STAGE_DOWNLOAD, Stage.STAGE_EMBED, Stage.STAGE_SCORE)
"""Stages whose units hold candidates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """One moment of a job. `counts` maps `stage/outcome/reason` to rows."""

    job_id: str
    state: str
    units_open: int
    units_closed: int
    candidates: int  # planned for download so far, or run again
    ended: int  # candidates whose download has ended, well or not
    in_progress: int  # rows that units at work report as done
    passed: int  # candidates that met the thresholds so far
    waves: int
    waves_waiting: int
    blocked: str  # what holds the job up: a unit and its error, or that nobody is there for its version
    blocked_group: str  # the consumer group that has no member, where it is that (U17)
    why: str  # what the job already lacks for being complete
    counts: dict[str, int]

    @property
    def expected(self) -> int:
        """Candidates that are to be expected in all, as if each wave that waits brought what the others did.

        Too few as long as those that are at work still bring some.
        """
        handed_out = self.waves - self.waves_waiting
        return self.candidates * self.waves // handed_out if handed_out > 0 else self.candidates

    def as_dict(self) -> dict[str, object]:
        """Returns plain values for JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def status_of(
    follower: JobFollower,
    state: str,
    waves_waiting: int,
    blocked: tuple[str, str] | None,
    again: int,
    absence: Absence | None = None,
) -> JobStatus:
    """Returns the status that the walk shows now.

    `blocked` is the unit that holds the job up, `absence` the group that is away otherwise, `again` the
    number of candidates that a repair started from.
    """
    walk = follower.walk
    absence = None if blocked else absence
    return JobStatus(
        job_id=follower.root.spec.job_id,
        state=BLOCKED if blocked or absence else state,
        units_open=walk.open_count,
        units_closed=sum(walk.closings.values()),
        candidates=again + _rows(walk, Stage.STAGE_PLAN, Outcome.OUTCOME_PASSED),
        ended=_rows(walk, Stage.STAGE_DOWNLOAD, Outcome.OUTCOME_PASSED)
        + _rows(walk, Stage.STAGE_DOWNLOAD, Outcome.OUTCOME_FAILED),
        in_progress=sum(
            progress.rows_done
            for progress in follower.last_progress.values()
            if progress.stage == Stage.STAGE_DOWNLOAD
        ),
        passed=_rows(walk, Stage.STAGE_SCORE, Outcome.OUTCOME_KEPT),
        waves=follower.root.waves,
        waves_waiting=waves_waiting,
        blocked=f"{blocked[0]}: {blocked[1]}" if blocked else absence.error if absence else "",
        blocked_group=absence.group if absence else "",
        why="; ".join(incomplete_reasons(walk)),
        counts={_label(*key): rows for key, rows in sorted(walk.tally.items())},
    )


def incomplete_reasons(walk: Walk) -> list[str]:
    """Returns why a job that ended is not complete; empty if it is."""
    dead = {stage: units for (stage, closing), units in walk.closings.items() if closing is Closing.FAILED}
    reasons = [f"{units}{unit_failures(stage)}" for stage, units in dead.items()]
    for reason, text in (
        (Reason.REASON_SOURCE_MISSING, "WAT file(s) could not be had"),
        (Reason.REASON_TRUNCATED, "WAT file(s) end early"),
    ):
        files = walk.tally[Stage.STAGE_CRAWL, Outcome.OUTCOME_DROPPED, reason]
        if files:
            reasons.append(f"{files} {text}")
    if walk.cancelled:
        reasons.append("the job was cancelled")
    return sorted(reasons)


def unit_failures(stage: Stage.ValueType) -> str:
    """Returns the end of the sentence that says how many units of a stage were given up."""
    return f" {_stage(stage)} unit(s) failed three times"


def _rows(walk: Walk, stage: Stage.ValueType, outcome: Outcome.ValueType) -> int:
    return sum(rows for (at, how, _), rows in walk.tally.items() if at == stage and how == outcome)


def _stage(stage: Stage.ValueType) -> str:
    return Stage.Name(stage).removeprefix("STAGE_").lower()


@cache
def _label(stage: Stage.ValueType, outcome: Outcome.ValueType, reason: Reason.ValueType) -> str:
    return "/".join(filter(None, (_stage(stage), outcome_name(outcome), reason_name(reason))))
