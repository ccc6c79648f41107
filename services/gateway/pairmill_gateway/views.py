"""Jobs as the API shows them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from pairmill.dataset.funnel import IN
from pairmill.dataset.manifest import FunnelRow
from pairmill.ledger.follower import JobFollower
from pairmill.reasons import parse_outcome, parse_reason
from pairmill_gateway.book import JobEntry
from pairmill_gateway.status import JobStatus
from pairmill_protos.common.v1.outcome_pb2 import Count, Outcome
from pairmill_protos.gateway.v1.job_service_pb2 import (
    BlockedUnit,
    Job,
    JobProgress,
    JobState,
    StageProgress,
)
from pairmill_protos.unit.v1.unit_pb2 import Stage

STAGES: Final = (
    Stage.STAGE_CRAWL,
    Stage.STAGE_PLAN,
    Stage.STAGE_DOWNLOAD,
    Stage.STAGE_EMBED,
    Stage.STAGE_SCORE,
    Stage.STAGE_FINALISE,
)
"""In the order of the pipeline."""

_STATES: Final[Mapping[str, JobState.ValueType]] = {
    "admitted": JobState.JOB_STATE_ADMITTED,
    "crawling": JobState.JOB_STATE_CRAWLING,
    "draining": JobState.JOB_STATE_DRAINING,
    "finalising": JobState.JOB_STATE_FINALISING,
    "finished": JobState.JOB_STATE_FINALISING,  # the last files are being written
    "blocked": JobState.JOB_STATE_BLOCKED,
    "complete": JobState.JOB_STATE_COMPLETE,
    "incomplete": JobState.JOB_STATE_INCOMPLETE,
    "cancelled": JobState.JOB_STATE_CANCELLED,
}


def state_of(name: str) -> JobState.ValueType:
    """Returns a state by the name that walk and manifest have for it."""
    return _STATES.get(name, JobState.JOB_STATE_UNSPECIFIED)


def timestamp(moment: datetime) -> Timestamp:
    """Returns a moment as the API writes it."""
    written = Timestamp()
    written.FromDatetime(moment.astimezone(UTC).replace(tzinfo=None))
    return written


def described(entry: JobEntry, store_url: str) -> Job:
    """Returns what the topic of jobs says of a job; one that has not ended is `admitted`."""
    admitted, ended = entry.admitted, entry.ended
    job = Job(
        job_id=entry.job_id,
        state=state_of(ended.state) if ended is not None else JobState.JOB_STATE_ADMITTED,
        admitted_at=timestamp(entry.admitted_at),
        dataset="/".join(filter(None, (store_url.rstrip("/"), admitted.dataset))),
        profile=admitted.profile,
        submitted_by=admitted.submitted_by,
    )
    if ended is not None:
        job.lacks.extend(ended.lacks)
        job.manifest.CopyFrom(ended.manifest)
    return job


def with_status(job: Job, status: JobStatus) -> Job:
    """Returns the job in the state that the walk shows."""
    job.state = state_of(status.state)
    job.lacks[:] = [reason for reason in status.why.split("; ") if reason]
    if status.blocked_group:
        job.blocked.CopyFrom(BlockedUnit(group=status.blocked_group, error=status.blocked))
    elif status.blocked:
        unit_id, _, error = status.blocked.partition(": ")
        job.blocked.CopyFrom(BlockedUnit(unit_id=unit_id, error=error))
    return job


def in_trouble(job: Job, trouble: str) -> Job:
    """Returns a job that cannot be driven: something of its own is damaged."""
    job.state = JobState.JOB_STATE_BLOCKED
    job.blocked.CopyFrom(BlockedUnit(error=trouble))
    return job


def progress_of(
    follower: JobFollower, status: JobStatus, rates: Mapping[Stage.ValueType, float]
) -> JobProgress:
    """Returns how far a job is, by stage; `rates` are rows per second."""
    walk = follower.walk
    units_closed: defaultdict[Stage.ValueType, int] = defaultdict(int)
    for (stage, _), units in walk.closings.items():
        units_closed[stage] += units
    counts: defaultdict[Stage.ValueType, list[Count]] = defaultdict(list)
    for (stage, outcome, reason), rows in sorted(walk.tally.items()):
        counts[stage].append(Count(outcome=outcome, reason=reason, rows=rows))
    stages = [
        StageProgress(
            stage=stage,
            units_open=walk.open_by_stage.get(stage, 0),
            units_closed=units_closed[stage],
            counts=counts[stage],
            rows_per_second=rates.get(stage),
        )
        for stage in STAGES
    ]
    return JobProgress(
        stages=stages,
        candidates_planned=status.candidates,
        candidates_ended=status.ended,
        rows_in_progress=status.in_progress,
        candidates_passed=status.passed,
        waves=status.waves,
        waves_waiting=status.waves_waiting,
    )


def progress_of_funnel(funnel: Iterable[FunnelRow]) -> JobProgress:
    """Returns the progress of a job that has ended, as its manifest has it."""
    counts: defaultdict[str, list[Count]] = defaultdict(list)
    for row in funnel:
        if row.outcome != IN:
            counts[row.stage].append(count_of(row))
    stages = [StageProgress(stage=stage, counts=counts[stage_label(stage)]) for stage in STAGES]
    passed = _rows(counts["plan"], Outcome.OUTCOME_PASSED)
    return JobProgress(
        stages=stages,
        candidates_planned=passed,
        candidates_ended=passed,
        candidates_passed=_rows(counts["score"], Outcome.OUTCOME_KEPT),
    )


def count_of(row: FunnelRow) -> Count:
    """Returns a row of a funnel as the API writes it; what this version has no number for is unspecified."""
    try:
        outcome, reason = parse_outcome(row.outcome), parse_reason(row.reason)
    except ValueError:
        return Count(rows=row.count)
    return Count(outcome=outcome, reason=reason, rows=row.count)


def stage_label(stage: Stage.ValueType) -> str:
    """Returns the name that a funnel has for a stage."""
    return Stage.Name(stage).removeprefix("STAGE_").lower()


def _rows(counts: Iterable[Count], outcome: Outcome.ValueType) -> int:
    return sum(count.rows for count in counts if count.outcome == outcome)
