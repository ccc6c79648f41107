"""Runs a measurement in a process of its own, and says what it took."""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from tests.bench.figures import Figure, Sample
from tests.bench.processes import Watch

P = ParamSpec("P")
T = TypeVar("T")

SECONDS = Figure("wall time", "s")
CPU = Figure("CPU time, all processes", "s")
MEMORY = Figure("peak memory, process", "MB")
CHILD_MEMORY = Figure("peak memory, largest child", "MB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a piece of work took."""

    seconds: float
    own_cpu_seconds: float
    child_cpu_seconds: float  # of children that have ended
    own_bytes: int  # most memory without mapped files
    child_bytes: int  # the same of the largest child; 0 without one

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all processes."""
        return self.own_cpu_seconds + self.child_cpu_seconds

    def figures(self) -> Sample:
        """Returns the figures that all benchmarks share."""
        shared = {SECONDS: self.seconds, CPU: self.cpu_seconds, MEMORY: self.own_bytes / 1e6}
        return shared | ({CHILD_MEMORY: self.child_bytes / 1e6} if self.child_bytes else {})


def in_own_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Returns what a function returns in a fresh process: nothing that was done before flatters it."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def metered(work: Callable[[], T]) -> tuple[T, Usage]:
    """Does a piece of work and returns what it returned and what it took."""
    before, start = _cpu(), time.monotonic()
    with Watch(os.getpid()) as watch:
        found = work()
    seconds, after = time.monotonic() - start, _cpu()
    own = watch.traces.pop(os.getpid())
    usage = Usage(
        seconds=seconds,
        own_cpu_seconds=after[0] - before[0],
        child_cpu_seconds=after[1] - before[1],
        own_bytes=own.private_bytes,
        child_bytes=max((child.private_bytes for child in watch.traces.values()), default=0),
    )
    return found, usage


def _cpu() -> tuple[float, float]:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime, children.ru_utime + children.ru_stime
