"""A job that is watched: a live table in a terminal, a line now and then without one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pairmill.clock import Clock
from pairmill.reasons import outcome_name, reason_name
from pairmill_protos.common.v1.outcome_pb2 import Outcome
from pairmill_protos.gateway.v1.job_service_pb2 import Job, JobState, StageProgress
from pairmill_protos.unit.v1.unit_pb2 import Stage
from pairmill_standalone.cli.job_facts import stage_name, state_shown
from pairmill_standalone.cli.progress_view import LogView, facts_of

_LOST: Final = frozenset({Outcome.OUTCOME_FAILED, Outcome.OUTCOME_DROPPED, Outcome.OUTCOME_FILTERED})
_FURTHER: Final = frozenset({Outcome.OUTCOME_PASSED, Outcome.OUTCOME_KEPT})


class LineView:
    """The lines of `pairmill run`, of a job elsewhere."""

    def __init__(self, clock: Clock) -> None:
        self._lines = LogView(clock)

    def show(self, job: Job) -> None:
        """Writes the job's status if it is time."""
        self._lines.show(status_of(job))


class TableView:
    """A bar over the candidates and a row per stage, drawn anew at each message."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, job: Job) -> None:
        """Shows the latest message."""
        self._live.update(picture_of(job), refresh=True)


@contextmanager
def job_view(clock: Clock) -> Iterator[LineView | TableView]:
    """Gives the view that fits the standard error stream."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield LineView(clock)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield TableView(live)


def status_of(job: Job) -> Mapping[str, Any]:
    """Returns a job as the status that views of a run show."""
    progress = job.progress
    waits = f", nobody is in the group {job.blocked.group}" if job.blocked.group else ""
    return {
        "state": f"{job.job_id}: {state_shown(job)}{waits}",
        "candidates": progress.candidates_planned,
        "ended": progress.candidates_ended,
        "in_progress": progress.rows_in_progress,
        "passed": progress.candidates_passed,
        "counts": {
            f"{stage_name(stage.stage)}/{outcome_name(count.outcome)}/{reason_name(count.reason)}": count.rows
            for stage in progress.stages
            for count in stage.counts
            if count.rows
        },
    }


def seconds_left(job: Job) -> float | None:
    """Returns how long the candidates planned so far will take to download, where that can be said."""
    for stage in job.progress.stages:
        if stage.stage == Stage.STAGE_DOWNLOAD and stage.rows_per_second > 0:
            done = job.progress.candidates_ended + job.progress.rows_in_progress
            return max(0, job.progress.candidates_planned - done) / stage.rows_per_second
    return None


def picture_of(job: Job) -> Group:
    """Returns what a terminal shows of a job."""
    progress = job.progress
    planned, ended = progress.candidates_planned, progress.candidates_ended + progress.rows_in_progress
    head = Text.assemble((f"{job.job_id} {state_shown(job)}", "bold"), f"  {facts_of(status_of(job))}")
    bar = ProgressBar(total=planned or None, completed=min(ended, planned), width=40, pulse=not planned)
    way = Table.grid(padding=(0, 1))
    way.add_row(bar, _reach(job))
    lines: list[RenderableType] = [head, way, _stages(progress.stages)]
    if job.state == JobState.JOB_STATE_BLOCKED:
        lines.append(Text(f"held up by {_obstacle(job)}: {job.blocked.error}", style="red"))
    return Group(*lines)


def _obstacle(job: Job) -> str:
    return f"the absence of {job.blocked.group}" if job.blocked.group else job.blocked.unit_id or "its data"


def _reach(job: Job) -> str:
    progress, left = job.progress, seconds_left(job)
    said = [f"{progress.candidates_ended:,} of {progress.candidates_planned:,} candidates"]
    if left is not None:
        more = "more than " if progress.waves_waiting else ""
        said.append(f"{more}{int(left) // 3600}:{int(left) // 60 % 60:02}:{int(left) % 60:02} left")
    if progress.waves_waiting:
        said.append(f"{progress.waves_waiting:,} of {progress.waves:,} waves wait")
    return ", ".join(said)


def _stages(stages: Any) -> Table:
    table = Table("stage", box=None)
    for name in ("open units", "closed", "rows/s", "passed", "left out"):
        table.add_column(name, justify="right")
    for stage in stages:
        table.add_row(*_cells(stage))
    return table


def _cells(stage: StageProgress) -> tuple[str, ...]:
    return (
        stage_name(stage.stage),
        f"{stage.units_open:,}",
        f"{stage.units_closed:,}",
        f"{stage.rows_per_second:,.1f}" if stage.HasField("rows_per_second") else "",
        f"{sum(count.rows for count in stage.counts if count.outcome in _FURTHER):,}",
        f"{sum(count.rows for count in stage.counts if count.outcome in _LOST):,}",
    )
