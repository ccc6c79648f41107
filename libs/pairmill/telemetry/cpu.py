"""CPU time of a process with its children, which do most of the work of some services."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

_PROC: Final = Path("/proc")
_TIMES: Final = slice(11, 15)
"""Of the fields after the name in `stat`: user and system time, and those of children it waited for."""


class CpuCollector(Collector):
    """Adds up CPU time when it is asked for measures. Thread-safe.

    A child that ends is counted among the living until it is waited for, and among the ended from then on.
    What was read in between may fall short; the sum shown never does, for a counter that falls would be
    taken for one that began anew.
    """

    def __init__(self, spent: Callable[[], float] | None = None) -> None:
        """`spent` returns the seconds of all; those of this process and its children by default."""
        self._spent = spent or (lambda: own_seconds() + sum(map(seconds_of, descendants(os.getpid()))))
        self._lock = threading.Lock()
        self._most = 0.0

    def describe(self) -> Iterator[CounterMetricFamily]:
        """Yields the family without a value."""
        yield _family()

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yields the seconds as of now."""
        family = _family()
        with self._lock:
            self._most = max(self._most, self._spent())
            family.add_metric([], self._most)
        yield family


def own_seconds() -> float:
    """Returns the CPU seconds of this process and of the children that it has waited for."""
    return sum(os.times()[:4])


def seconds_of(pid: int, proc: Path = _PROC) -> float:
    """Returns the CPU seconds of a process and of those it has waited for; 0 if it is gone."""
    try:
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[_TIMES])) / os.sysconf("SC_CLK_TCK")


def descendants(pid: int, proc: Path = _PROC) -> Iterator[int]:
    """Yields the processes below one; none where the system does not list them."""
    for listing in (proc / str(pid) / "task").glob("*/children"):
        try:
            children = listing.read_text().split()
        except OSError:
            continue  # the thread, or all of it, ended meanwhile
        for child in map(int, children):
            yield child
            yield from descendants(child, proc)


def _family() -> CounterMetricFamily:
    return CounterMetricFamily(
        "pairmill_cpu_seconds", "CPU time of the process and of its children, those that ended included."
    )
