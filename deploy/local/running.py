"""Processes that were started here, or by an earlier call that left their number."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

_POLL_SECONDS: Final = 0.02
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_STARTTIME: Final = 19  # place among what follows the name in /proc/<pid>/stat, see proc(5)
_KILL_SECONDS: Final = 30.0  # a process that waits for a disk takes its time
_LEASH: Final = ("setpriv", "--pdeathsig", "KILL", "--")


class Running:
    """A process that leads a group of its own, told from a later one of the same number by its start."""

    def __init__(self, pid: int, started: float, child: subprocess.Popen[bytes] | None = None) -> None:
        self.pid = pid
        self.started = started  # seconds after the machine's start
        self._child = child  # where it is ours, so that its end is noticed

    @property
    def alive(self) -> bool:
        """Whether it runs or is paused."""
        if self._child is not None:
            return self._child.poll() is None
        try:
            is_it = start_of(self.pid) == self.started
            return is_it and psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    @property
    def code(self) -> int | None:
        """How it ended, negative for a signal; None while it runs, or where it was not our child."""
        return None if self._child is None else self._child.poll()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the process and all of its group; nothing happens where it has ended."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def wait(self, seconds: float) -> bool:
        """Waits for the end; returns whether it came in time.

        Somebody else's child may stay a zombie for as long as it likes; that is an end.
        """
        deadline = time.monotonic() + seconds
        while self.alive:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def end(self, seconds: float) -> bool:
        """Ends it with SIGTERM, and with SIGKILL after some time; returns whether the first was enough."""
        self.signal(signal.SIGCONT)  # a paused process would not see the other
        self.signal(signal.SIGTERM)
        in_time = self.wait(seconds)
        self.kill()
        return in_time

    def kill(self) -> None:
        """Ends it, and whatever is left of its group, with SIGKILL."""
        if not self._is_another():
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self.wait(_KILL_SECONDS)

    def _is_another(self) -> bool:
        """Whether the number belongs to a process that came later."""
        try:
            return start_of(self.pid) != self.started
        except psutil.NoSuchProcess:
            return False


def launch(
    command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], log: Path, leashed: bool
) -> Running:
    """Starts a program with its output appended to a log.

    A leashed one is ended by the kernel when this process is gone, however that came about; a machine
    without util-linux has no leash.
    """
    arguments = [str(part) for part in command]
    if not leashed or shutil.which(_LEASH[0]) is None:
        return _start(arguments, cwd, env, log)
    return _keeper().submit(_start, [*_LEASH, *arguments], cwd, env, log).result()


@functools.cache
def _keeper() -> ThreadPoolExecutor:
    """A thread that lasts: the kernel ends what is on a leash when the thread that started it ends."""
    return ThreadPoolExecutor(1, thread_name_prefix="keeper")


def _start(arguments: Sequence[str], cwd: Path, env: Mapping[str, str], log: Path) -> Running:
    with log.open("ab") as output:
        child = subprocess.Popen(
            arguments,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C in the terminal is not for it
        )
    return Running(child.pid, _started(child.pid), child)


def _started(pid: int) -> float:
    try:
        return start_of(pid)
    except psutil.NoSuchProcess:
        return 0.0


def start_of(pid: int) -> float:
    """Returns when a process was started, in seconds after the machine's start; raises NoSuchProcess.

    Not as a time of day: the kernel makes that of the same number, and it moves when the clock is set.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError) as error:
        raise psutil.NoSuchProcess(pid) from error
    return int(stat.rpartition(")")[2].split()[_STARTTIME]) / _TICKS
