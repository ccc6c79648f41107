"""What a child process may use of the machine."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of a child; what is unset has none."""

    memory_bytes: int | None = None  # address space: an allocation above it fails in the child
    file_bytes: int | None = None  # largest file that it may write


NO_LIMITS: Final = Limits()


def apply_limits(limits: Limits) -> None:
    """Limits this process; core files are never written by a limited one."""
    if limits.memory_bytes is not None:
        _lower(resource.RLIMIT_AS, limits.memory_bytes)
    if limits.file_bytes is not None:
        _lower(resource.RLIMIT_FSIZE, limits.file_bytes)
    if limits != NO_LIMITS:
        _lower(resource.RLIMIT_CORE, 0)


@contextmanager
def limited_cpu_time(seconds: float | None) -> Iterator[None]:
    """Ends this process by SIGPROF once what is done within has used more processor time than that."""
    if seconds is None:
        yield
        return
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _lower(kind: int, value: int) -> None:
    """Lowers a soft limit; a hard limit below it stays."""
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
