"""A job and its audit as plain values for JSON, and as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from pairmill.reasons import outcome_name, reason_name
from pairmill_protos.common.v1.outcome_pb2 import Count
from pairmill_protos.gateway.v1.audit_service_pb2 import DeadLetter, GetFunnelResponse, OpenUnit, Orphan
from pairmill_protos.gateway.v1.job_service_pb2 import Job, JobProgress, JobState, StageProgress
from pairmill_protos.unit.v1.unit_pb2 import Stage

_PIPE_COLUMNS: Final = 10_000


def state_name(state: JobState.ValueType) -> str:
    """Returns a state as people read it, such as `crawling`."""
    known = JobState.DESCRIPTOR.values_by_number.get(state)
    return known.name.removeprefix("JOB_STATE_").lower() if known else f"state {state}"


def state_shown(job: Job) -> str:
    """Returns a job's state for people, who want to see at once what a blocked one waits for (U17)."""
    return f"{state_name(job.state)}(version)" if job.blocked.group else state_name(job.state)


def stage_name(stage: Stage.ValueType) -> str:
    """Returns a stage as people read it, such as `download`."""
    known = Stage.DESCRIPTOR.values_by_number.get(stage)
    return known.name.removeprefix("STAGE_").lower() if known and stage else ""


def job_facts(job: Job) -> dict[str, Any]:
    """Returns a job as plain values."""
    facts: dict[str, Any] = {
        "job_id": job.job_id,
        "state": state_name(job.state),
        "admitted_at": job.admitted_at.ToJsonString() if job.HasField("admitted_at") else None,
        "submitted_by": job.submitted_by,
        "profile": job.profile,
        "dataset": job.dataset,
        "lacks": list(job.lacks),
    }
    if job.HasField("blocked"):
        blocked = job.blocked
        facts["blocked"] = {"unit_id": blocked.unit_id, "group": blocked.group, "error": blocked.error}
    if job.HasField("manifest"):
        manifest = job.manifest
        facts["manifest"] = {
            "key": manifest.key,
            "bytes": manifest.bytes,
            "sha256": manifest.sha256.hex(),
        }
    if job.HasField("progress"):
        facts["progress"] = _progress_facts(job.progress)
    return facts


def _progress_facts(progress: JobProgress) -> dict[str, Any]:
    return {
        "candidates_planned": progress.candidates_planned,
        "candidates_ended": progress.candidates_ended,
        "candidates_passed": progress.candidates_passed,
        "rows_in_progress": progress.rows_in_progress,
        "waves": progress.waves,
        "waves_waiting": progress.waves_waiting,
        "stages": [_stage_facts(stage) for stage in progress.stages],
    }


def _stage_facts(stage: StageProgress) -> dict[str, Any]:
    return {
        "stage": stage_name(stage.stage),
        "units_open": stage.units_open,
        "units_closed": stage.units_closed,
        "rows_per_second": stage.rows_per_second if stage.HasField("rows_per_second") else None,
        "counts": count_facts(stage.counts),
    }


def count_facts(counts: Iterable[Count]) -> list[dict[str, Any]]:
    """Returns counts by outcome and reason as plain values."""
    return [
        {"outcome": outcome_name(count.outcome), "reason": reason_name(count.reason), "rows": count.rows}
        for count in counts
    ]


def funnel_facts(funnel: GetFunnelResponse) -> dict[str, Any]:
    """Returns a funnel as plain values."""
    stages = [
        {"stage": stage_name(stage.stage), "rows_in": stage.rows_in, "counts": count_facts(stage.counts)}
        for stage in funnel.stages
    ]
    return {"closes": not funnel.problems, "problems": list(funnel.problems), "stages": stages}


def open_unit_facts(unit: OpenUnit) -> dict[str, Any]:
    """Returns an open unit as plain values."""
    return {
        "unit": unit.unit_id,
        "stage": stage_name(unit.stage),
        "rows": unit.rows,
        "rows_done": unit.rows_done,
        "age_seconds": round(unit.age_seconds, 1),
        "starts": unit.starts,
        "failures": unit.failures,
    }


def orphan_facts(orphan: Orphan) -> dict[str, Any]:
    """Returns an orphan as plain values."""
    return {
        "unit": orphan.unit_id,
        "attempt": orphan.attempt,
        "offset": orphan.offset,
        "failed": orphan.failed,
        "finished_at": orphan.finished_at.ToJsonString() if orphan.HasField("finished_at") else None,
    }


def letter_facts(letter: DeadLetter) -> dict[str, Any]:
    """Returns a dead letter as plain values."""
    return {
        "unit": letter.unit_id,
        "stage": stage_name(letter.stage),
        "rows": letter.rows,
        "error": letter.error,
        "source": letter.source,
    }


def print_job(job: Job) -> None:
    """Prints a job."""
    facts = {**job_facts(job), "state": state_shown(job)}
    progress = facts.pop("progress", None)
    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        if value not in (None, "", []):
            table.add_row(name, _shown(value))
    if progress is not None:
        ended, planned = progress["candidates_ended"], progress["candidates_planned"]
        table.add_row(
            "candidates", f"{ended:,} of {planned:,} ended, {progress['candidates_passed']:,} passed"
        )
        table.add_row("waves", f"{progress['waves']:,}, of which {progress['waves_waiting']:,} wait")
    _console().print(table)


def print_funnel(funnel: GetFunnelResponse) -> None:
    """Prints a funnel: a row per stage, outcome and reason."""
    table = Table("stage", "outcome", "reason")
    table.add_column("rows", justify="right")
    for stage in funnel_facts(funnel)["stages"]:
        table.add_row(stage["stage"], "in", "", f"{stage['rows_in']:,}")
        for count in stage["counts"]:
            table.add_row("", count["outcome"], count["reason"], f"{count['rows']:,}")
        table.add_section()
    _console().print(table)


def print_rows(rows: Sequence[dict[str, Any]], nothing: str) -> None:
    """Prints rows of the same keys as a table."""
    if not rows:
        _console().print(nothing)
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(_shown(value) for value in row.values()))
    _console().print(table)


def _console() -> Console:
    """Returns standard output; in a pipe nothing is cut to the width of a terminal that is not there."""
    console = Console()
    return console if console.is_terminal else Console(width=_PIPE_COLUMNS)


def _shown(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return f"{value:,}"
        case dict():
            return ", ".join(f"{name} {part}" for name, part in value.items() if part != "")
        case list():
            return "; ".join(map(str, value))
    return str(value)
