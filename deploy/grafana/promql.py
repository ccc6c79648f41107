"""Expressions of PromQL over the processes that a dashboard's variables select."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

SCOPE: Final = 'namespace=~"$namespace", job=~"$job"'
"""Selects Pairmill's processes; a label that a deployment does not have matches as empty."""

TRITON_SCOPE: Final = 'namespace=~"$namespace"'
"""Selects tritonservers, which are another scrape job."""

UNITS: Final = "5m"
"""For what is counted when a unit ends, which with large units is now and then."""

LIVE: Final = "$__rate_interval"
"""For what is counted as it happens."""

RANGE: Final = "$__range"
"""The time that is looked at."""


def picked(metric: str, where: str = "", scope: str = SCOPE) -> str:
    """Returns a metric of the selected processes."""
    return f"{metric}{{{scope}, {where}}}" if where else f"{metric}{{{scope}}}"


def summed(expression: str, by: Sequence[str] = ()) -> str:
    """Returns a sum, one series for each value of the labels."""
    return f"{_over('sum', by)} ({expression})"


def highest(expression: str, by: Sequence[str] = ()) -> str:
    """Returns the largest of many series."""
    return f"{_over('max', by)} ({expression})"


def rate(
    metric: str, by: Sequence[str] = (), *, window: str = LIVE, where: str = "", scope: str = SCOPE
) -> str:
    """Returns how much a counter grows in a second."""
    return summed(f"rate({picked(metric, where, scope)}[{window}])", by)


def increase(metric: str, by: Sequence[str] = (), *, window: str = RANGE, where: str = "") -> str:
    """Returns how much a counter grew."""
    return summed(f"increase({picked(metric, where)}[{window}])", by)


def quantile(
    share: float, metric: str, by: Sequence[str] = (), *, window: str = LIVE, where: str = ""
) -> str:
    """Returns the value that this share of what a histogram observed is at most."""
    return (
        f"histogram_quantile({share:g}, {rate(f'{metric}_bucket', [*by, 'le'], window=window, where=where)})"
    )


def mean(metric: str, by: Sequence[str] = (), *, window: str = LIVE) -> str:
    """Returns the mean of what a histogram observed; nothing while it observed nothing."""
    return f"{rate(f'{metric}_sum', by, window=window)} / ({rate(f'{metric}_count', by, window=window)} > 0)"


def share(part: str, whole: str) -> str:
    """Returns a part of a whole, 0 to 1; nothing where there is no whole."""
    return f"{part} / ({whole} > 0)"


def of_gateways(metric: str, each: Sequence[str] = (), *, by: Sequence[str] = (), where: str = "") -> str:
    """Returns a measure of jobs, summed: each gateway of a namespace shows all of them.

    `each` are the metric's own labels.
    """
    return summed(highest(picked(metric, where), ["namespace", *each]), by)


def _over(function: str, by: Sequence[str]) -> str:
    return f"{function} by ({', '.join(by)})" if by else function
