"""One server on this machine: started, watched, paused, killed and stopped the same way, whatever it is."""

from __future__ import annotations

import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from deploy.local.commands import own_environment
from deploy.local.errors import StartError
from deploy.local.running import Running, launch

READY_SECONDS: Final = 90.0  # a machine under load takes its time
STOP_SECONDS: Final = 20.0
_POLL_SECONDS: Final = 0.05
_SHOWN_LINES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to start."""

    command: Sequence[str | Path]
    env: Mapping[str, str] = field(default_factory=dict)  # added to this process's environment


class Component(ABC):
    """A server with a folder of its own, which keeps its ports and data over stop and start.

    As a context manager it is started, and stopped at the end. Used by one thread.
    """

    def __init__(self, name: str, folder: Path, *, log: Path | None = None, leashed: bool = True) -> None:
        """A leashed server ends with the process that started it, even if that is killed."""
        self.name = name
        self.folder = folder
        self.log_path = log or folder / f"{name}.log"
        self._leashed = leashed
        self._running: Running | None = None
        self._log_start = 0  # where the log of the current process begins

    @property
    @abstractmethod
    def address(self) -> str:
        """Where its clients reach it, as host:port."""

    @property
    def ready_url(self) -> str:
        """An address that answers 200 while it serves; empty for one that has no such page."""
        return ""

    @abstractmethod
    def program(self) -> Program:
        """Returns what to start; called at each start, after `prepare`."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Returns whether it serves; asked again and again while it starts."""

    def prepare(self) -> None:
        """Makes what has to be there before a start; called at each."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log_path.parent.mkdir(parents=True, exist_ok=True)

    @property
    def running(self) -> Running:
        """The process of the last start; raises StartError if there was none."""
        if self._running is None:
            raise StartError(f"{self.name} was not started")
        return self._running

    @property
    def pid(self) -> int:
        """Number of the process of the last start."""
        return self.running.pid

    @property
    def alive(self) -> bool:
        """Whether its process runs or is paused."""
        return self._running is not None and self._running.alive

    def start(self, *, seconds: float = READY_SECONDS) -> Self:
        """Starts it and waits until it serves; raises StartError with the end of its log otherwise."""
        self.launch()
        self.wait_ready(seconds=seconds)
        return self

    def launch(self) -> None:
        """Starts it without waiting, for servers that need each other."""
        if self.alive:
            raise StartError(f"{self.name} runs already, as process {self.pid}")
        self.prepare()
        program = self.program()
        self._log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        self._running = launch(
            program.command,
            cwd=self.folder,
            env={**own_environment(), **program.env},
            log=self.log_path,
            leashed=self._leashed,
        )

    def wait_ready(self, *, seconds: float = READY_SECONDS) -> None:
        """Waits until it serves; kills it and raises StartError where it does not."""
        deadline = time.monotonic() + seconds
        while self.alive and time.monotonic() < deadline:
            if self.is_ready():
                return
            time.sleep(_POLL_SECONDS)
        problem = f"was not ready within {seconds:g} s" if self.alive else "ended before it was ready"
        self.kill()
        raise StartError(f"{self.name} {problem}; the end of {self.log_path}:\n{self._end_of_log()}")

    def stop(self, *, seconds: float = STOP_SECONDS) -> bool:
        """Ends it in order; returns whether it took no SIGKILL."""
        return self._running is None or self._running.end(seconds)

    def kill(self) -> None:
        """Ends it as a crash would, with SIGKILL."""
        if self._running is not None:
            self._running.kill()

    def pause(self) -> None:
        """Has it stand still, connections open."""
        self.running.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Has it go on after `pause`."""
        self.running.signal(signal.SIGCONT)

    def restart(self, *, seconds: float = READY_SECONDS) -> None:
        """Stops it, if it runs, and starts it with the same ports and data."""
        self.stop()
        self.start(seconds=seconds)

    def log(self) -> str:
        """Returns what the current process has written to its log."""
        if not self.log_path.exists():
            return ""
        with self.log_path.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _end_of_log(self) -> str:
        return "\n".join(self.log().splitlines()[-_SHOWN_LINES:])
