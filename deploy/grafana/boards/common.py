"""Panels that several dashboards have, each for its service."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.grafana.panels import Panel, Query
from deploy.grafana.promql import LIVE, UNITS, picked, quantile, rate, summed


def middle_and_slow(
    histogram: str, by: Sequence[str] = (), *, window: str = LIVE, where: str = ""
) -> list[Query]:
    """Returns what half of the observations took at most, and what 95 % of them did."""
    of = "".join(f"{{{{{label}}}}}, " for label in by)
    return [
        Query(quantile(0.5, histogram, by, window=window, where=where), f"{of}half of them"),
        Query(quantile(0.95, histogram, by, window=window, where=where), f"{of}95 %"),
    ]


def unit_times(service: str, what: str, if_slow: str) -> Panel:
    """Returns how long units of a service take."""
    where = f'service="{service}"'
    seconds = "pairmill_unit_processing_seconds"
    return Panel(
        title="Time of a unit",
        queries=middle_and_slow(seconds, window=UNITS, where=where),
        shows=f"{what} at most this time, by the units that ended in the last five minutes.",
        remedy=f"It grows: {if_slow}. `pairmill job audit JOB --open` shows those that have been open long.",
        runbook="no-progress",
        unit="s",
    )


def units_by_result(service: str) -> Panel:
    """Returns how work on units of a service ends."""
    where = f'service="{service}"'
    return Panel(
        title="Units by result",
        queries=[
            Query(rate("pairmill_units_total", ["result"], window=UNITS, where=where), "{{result}}"),
        ],
        shows="Units that left the worker threads, a second, by how: `retried` waits for its environment, "
        "`cut_off` lost its partition or was stopped, `unwanted` was closed already.",
        remedy="`failed` above zero: the log of that service has `unit_failed` with the traceback. "
        "`unwanted` in numbers: tasks are delivered again; see Reliability.",
        runbook="units-fail",
        unit="reqps",
        stacked=True,
    )


def lag_of(service: str, topics: str) -> Panel:
    """Returns what waits for a service; `topics` is a pattern."""
    where = f'service="{service}", topic=~"{topics}"'
    return Panel(
        title="Tasks that wait",
        queries=[
            Query(summed(picked("pairmill_consumer_lag_records", where), ["topic"]), "{{topic}}"),
        ],
        shows="Tasks after the committed offset, by topic: those that wait and those at work.",
        remedy="It grows without end: more processes, up to the number of partitions. It stands still: see "
        "Kafka bus.",
        runbook="no-progress",
        unit="none",
    )
