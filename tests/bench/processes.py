"""Processor time and memory of a process and its descendants, read from /proc a few times a second.

Memory is what nobody else can give back: anonymous and shared pages (`RssAnon` + `RssShmem`). Pages of
mapped files are left out, for the kernel drops them when it needs the room; `VmHWM` includes them.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

EVERY_SECONDS: Final = 0.2

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_GONE: Final = (FileNotFoundError, ProcessLookupError)
_KIBIBYTES: Final = re.compile(r"^(RssAnon|RssShmem|VmHWM):\s+(\d+) kB", re.MULTILINE)
_SERVICE: Final = re.compile(r"pairmill_(\w+)\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process at one moment."""

    pid: int
    parent: int
    command: str  # arguments, each with a NUL after it
    cpu_seconds: float  # its own, without its children
    private_bytes: int  # anonymous and shared memory
    peak_bytes: int  # most that was ever resident, mapped files included


@dataclass(slots=True, kw_only=True)
class Trace:
    """What was seen of one process until it was gone."""

    role: str
    cpu_seconds: float = 0.0  # as last seen
    private_bytes: int = 0  # most seen
    peak_bytes: int = 0  # most seen


def read_process(pid: int) -> Process | None:
    """Returns a process as it is now, or None if it is gone."""
    folder = Path("/proc", str(pid))
    try:
        stat = (folder / "stat").read_text().rpartition(")")[2].split()
        memory = {
            name: int(size) * 1024 for name, size in _KIBIBYTES.findall((folder / "status").read_text())
        }
        command = (folder / "cmdline").read_text(errors="replace")
    except _GONE:
        return None
    return Process(
        pid=pid,
        parent=int(stat[1]),
        command=command,
        cpu_seconds=(int(stat[11]) + int(stat[12])) / _TICKS,
        private_bytes=memory.get("RssAnon", 0) + memory.get("RssShmem", 0),
        peak_bytes=memory.get("VmHWM", 0),
    )


def family(root: int) -> Iterator[Process]:
    """Yields a process and its descendants, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except _GONE:
                continue
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        process = read_process(pid)
        if process is not None:
            yield process
        waiting.extend(children.get(pid, ()))


def role_of(process: Process, parent: str | None) -> str:
    """Returns the service that a process is, or whose child it is."""
    named = _SERVICE.search(process.command)
    if named is not None:
        return "supervisor" if named[1] == "standalone" else named[1]
    if parent is None:
        return "own"
    return parent if parent.endswith("child") else f"{parent} child"


class Watch:
    """Watches a family of processes in a thread, from entering to leaving the context."""

    def __init__(
        self,
        root: int,
        *,
        every_seconds: float = EVERY_SECONDS,
        notice: Callable[[Mapping[int, Trace]], None] = lambda traces: None,
    ) -> None:
        """`notice` is called after each look, in the watching thread."""
        self.traces: dict[int, Trace] = {}
        self._root = root
        self._every_seconds = every_seconds
        self._notice = notice
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def by_role(self) -> dict[str, Trace]:
        """Returns what the processes of a role came to: times added, the largest of the peaks."""
        roles: dict[str, Trace] = {}
        for seen in self.traces.values():
            sum_ = roles.setdefault(seen.role, Trace(role=seen.role))
            sum_.cpu_seconds += seen.cpu_seconds
            sum_.private_bytes = max(sum_.private_bytes, seen.private_bytes)
            sum_.peak_bytes = max(sum_.peak_bytes, seen.peak_bytes)
        return roles

    def _watch(self) -> None:
        while not self._stop.is_set():
            start = time.monotonic()
            self._look()
            self._stop.wait(max(0.0, start + self._every_seconds - time.monotonic()))

    def _look(self) -> None:
        for process in family(self._root):
            parent = self.traces.get(process.parent)
            role = role_of(process, None if parent is None else parent.role)
            trace = self.traces.setdefault(process.pid, Trace(role=role))
            if process.command:  # which one that has ended, and waits to be asked how, has no more
                trace.role = role  # until it runs its own program, a process is its parent's copy
            trace.cpu_seconds = process.cpu_seconds
            trace.private_bytes = max(trace.private_bytes, process.private_bytes)
            trace.peak_bytes = max(trace.peak_bytes, process.peak_bytes)
        self._notice(self.traces)
