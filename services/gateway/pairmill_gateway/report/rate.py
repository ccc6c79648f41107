"""How fast the work went, from the times in the ledger; for display only (U3 depends on none)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt

from pairmill.dataset.funnel import HANDED_ON
from pairmill.dataset.ledger_file import LedgerRow
from pairmill_gateway.report.model import Rate

MAX_STEPS: Final = 120
_STEPS_SECONDS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)
_STAGES: Final = ("download", "embed")


def rate_of(rows: Callable[[], Iterable[LedgerRow]]) -> Rate | None:
    """Returns rows per step of time; `rows` reads the ledger anew. None where no unit has times.

    A unit's rows are spread evenly over the time it took.
    """
    start, end = _span(rows())
    if start is None or end is None:
        return None
    seconds = max(1.0, (end - start).total_seconds())
    step = step_of(seconds)
    series = {stage: np.zeros(int(seconds // step) + 1, dtype=np.float64) for stage in _STAGES}
    for row in rows():
        if row.stage in series and row.started_at and row.finished_at:
            ended = sum(count.rows for count in row.counts if count.outcome != HANDED_ON)
            first = (row.started_at - start).total_seconds() / step
            last = (row.finished_at - start).total_seconds() / step
            _spread(series[row.stage], first, last, ended)
    return Rate(
        start=start,
        step_seconds=step,
        downloads=tuple(round(float(value), 3) for value in series["download"]),
        embedded=tuple(round(float(value), 3) for value in series["embed"]),
    )


def step_of(seconds: float) -> float:
    """Returns the length of a step so that there are at most MAX_STEPS."""
    return float(next((step for step in _STEPS_SECONDS if seconds / step <= MAX_STEPS), _STEPS_SECONDS[-1]))


def _span(rows: Iterable[LedgerRow]) -> tuple[datetime | None, datetime | None]:
    start: datetime | None = None
    end: datetime | None = None
    for row in rows:
        if row.stage in _STAGES and row.started_at and row.finished_at:
            start = min(start or row.started_at, row.started_at)
            end = max(end or row.finished_at, row.finished_at)
    return start, end


def _spread(series: npt.NDArray[np.float64], first: float, last: float, rows: int) -> None:
    """Adds rows evenly over the steps from `first` to `last`, which are fractions of steps."""
    first, last = max(0.0, first), min(float(len(series)), max(last, first))
    if last <= first:
        series[min(int(first), len(series) - 1)] += rows
        return
    for place in range(int(first), min(int(last), len(series) - 1) + 1):
        share = (min(last, place + 1) - max(first, place)) / (last - first)
        series[place] += rows * max(0.0, share)
