"""Names and deadlines of the units that follow a download unit (U9)."""

from __future__ import annotations

import re
from typing import Final

from pairmill.units import new_task
from pairmill_protos.job.v1.job_pb2 import DownloadRules
from pairmill_protos.unit.v1.unit_pb2 import DownloadInput, EmbedInput, ObjectRef, UnitInput, UnitTask

_PUT_OFF: Final = re.compile(r"\.d(\d+)(?![^.])")
_STEADY: Final = 8
_MOST_DOUBLINGS: Final = 10


def times_put_off(unit_id: str) -> int:
    """Returns for how many units' time its rows have waited: the last `.d<n>` of the id."""
    found = _PUT_OFF.findall(unit_id)
    return int(found[-1]) if found else 0


def deadline_seconds(unit_id: str, rules: DownloadRules) -> float:
    """Returns the unit's time.

    It doubles with every eighth time that rows were put off, so that ids, which grow by every time, stay
    short however slow a host is.
    """
    return _deadline(times_put_off(unit_id), rules)


def has_lost_patience(unit_id: str, rules: DownloadRules) -> bool:
    """Returns whether rows that this unit would put off have waited for as long as the job allows.

    The time is that of the units which put them off, so that no clock decides.
    """
    if not rules.HasField("patience_seconds"):
        return False
    waited = sum(_deadline(number, rules) for number in range(times_put_off(unit_id) + 1))
    return waited >= rules.patience_seconds


def put_off_task(task: UnitTask, rest: ObjectRef, group: int, rows: int, *, cut_off: bool) -> UnitTask:
    """Returns the follow-up on `download-tasks` for rows that were not asked for in time.

    Its number says for how many units' time they have waited; a unit that was cut off adds nothing.
    """
    number = times_put_off(task.unit_id) + (not cut_off)
    return _rest_task(task, f".d{number}", rest, group, rows, waits=False)


def retry_task(task: UnitTask, rest: ObjectRef, group: int, rows: int) -> UnitTask:
    """Returns the follow-up on the next retry topic for rows that failed retriably."""
    number = task.input.download.retry_round + 1
    return _rest_task(task, f".r{number}", rest, group, rows, waits=True)


def embed_task(task: UnitTask, shard: ObjectRef, index: ObjectRef, rows: int) -> UnitTask:
    """Returns the embed unit of a shard."""
    return new_task(
        spec=task.spec,
        job_id=task.job_id,
        unit_id=f"{task.unit_id}/e",
        unit_input=UnitInput(embed=EmbedInput(shard=shard, shard_index=index)),
        rows=rows,
    )


def _rest_task(
    task: UnitTask, suffix: str, rest: ObjectRef, group: int, rows: int, *, waits: bool
) -> UnitTask:
    parent = task.input.download
    download = DownloadInput(
        rows=rest,
        row_group=group,
        first_bucket=parent.first_bucket,  # the same partition, so that one process owns a host (U6)
        retry_round=parent.retry_round + waits,
        waits=waits,
    )
    return new_task(
        spec=task.spec,
        job_id=task.job_id,
        unit_id=task.unit_id + suffix,
        unit_input=UnitInput(download=download),
        rows=rows,
    )


def _deadline(put_off: int, rules: DownloadRules) -> float:
    doublings = min(put_off // _STEADY, _MOST_DOUBLINGS)
    return float(rules.unit_deadline_seconds * 2**doublings)
