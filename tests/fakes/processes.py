"""Starting, watching and killing child processes."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.conftest import REPOSITORY


class Child:
    """A Python module as a child process whose lines are collected; killed when the context ends."""

    def __init__(self, module: str, *arguments: str | Path, env: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            cwd=REPOSITORY,
            env=env,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for line in stream:
                if line.endswith("\n"):
                    self.lines.append(line.rstrip("\n"))

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def wait_for_lines(self, count: int) -> None:
        """Waits until it has written so many lines."""
        wait_until(lambda: len(self.lines) >= count)

    def signal(self, number: int) -> None:
        """Sends a signal."""
        self._process.send_signal(number)

    def kill(self) -> list[str]:
        """Ends it with SIGKILL and returns all its whole lines."""
        self._process.kill()
        self.wait()
        return self.lines

    def wait(self, seconds: float = 60.0) -> int:
        """Waits for its end; returns the exit code, negative for a signal."""
        code = self._process.wait(seconds)
        self._reader.join(seconds)
        return code


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Returns once a condition holds; fails after some time."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come about in time"
        pause.wait(0.01)


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or waits for nothing but to be asked how it ended.

    Its threads have let go of their files and locks by then. Its command line is gone before that.
    """
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 0)[0])
    finally:
        os.close(handle)
