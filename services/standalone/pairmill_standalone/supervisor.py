"""Runs services as child processes: restarts what dies, ends a crash loop with a clear error."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import structlog

from pairmill.clock import Clock
from pairmill.stage.breaker import Backoff
from pairmill.stage.loop import GAVE_UP

log = structlog.get_logger(__name__)

_QUICK_DEATH_SECONDS = 10.0
_QUICK_DEATHS = 5
_CONFIGURATION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """One service process: the module to run and what its environment adds."""

    name: str
    module: str
    env: Mapping[str, str]
    first_env: Mapping[str, str] = field(default_factory=dict)  # for the first start only


@dataclass(slots=True)
class _Child:
    spec: ChildSpec
    backoff: Backoff
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    starts: int = 0
    quick_deaths: int = 0
    ended_well: bool = False


class Supervisor:
    """Keeps a set of children alive until told to stop. Used by one thread."""

    def __init__(
        self, children: list[ChildSpec], *, base_env: Mapping[str, str], logs: Path, clock: Clock
    ) -> None:
        self._children = [_Child(spec, Backoff(clock)) for spec in children]
        self._base_env = dict(base_env)
        self._logs = logs
        self._clock = clock
        self.error = ""
        self.restarts = 0

    def watch(self) -> None:
        """Starts what is not running and notes what died; sets `error` when going on is useless."""
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._note_death(child, child.process.returncode)
            idle = child.process is None and not child.ended_well
            if idle and not self.error and child.backoff.ready():
                self._start(child)

    def has_ended(self, name: str) -> bool:
        """Returns whether a child ended by itself with code 0."""
        return any(child.spec.name == name and child.ended_well for child in self._children)

    def pids(self) -> dict[str, int]:
        """Returns the process ids of the children that run."""
        return {child.spec.name: child.process.pid for child in self._children if child.process is not None}

    def terminate(self) -> None:
        """Asks all children to stop."""
        for child in self._children:
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)

    def any_alive(self) -> bool:
        """Returns whether any child still runs."""
        return any(child.process is not None and child.process.poll() is None for child in self._children)

    def stop(self, *, grace_seconds: float) -> None:
        """Ends all children: SIGTERM, and SIGKILL for those that are left after the grace time."""
        self.terminate()
        deadline = self._clock.monotonic() + grace_seconds
        for child in self._children:
            if child.process is not None:
                self._await(child.process, max(0.0, deadline - self._clock.monotonic()))
                child.process = None

    def kill(self) -> None:
        """Ends all children at once."""
        self.stop(grace_seconds=0.0)

    def _await(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()

    def _start(self, child: _Child) -> None:
        env = {**self._base_env, **child.spec.env}
        if child.starts == 0:
            env |= child.spec.first_env
        self._reason_file(child).unlink(missing_ok=True)
        env["PAIRMILL_REASON_FILE"] = str(self._reason_file(child))
        with self._log_file(child) as output:
            child.process = subprocess.Popen(
                [sys.executable, "-m", child.spec.module],
                env=env,
                stdin=subprocess.PIPE,  # its end tells the child that we are gone
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C reaches us alone; we stop the children in order
            )
        child.starts += 1
        child.started_at = self._clock.monotonic()

    def _note_death(self, child: _Child, code: int) -> None:
        if child.process is not None and child.process.stdin is not None:
            child.process.stdin.close()
        child.process = None
        if code == 0:
            child.ended_well = True
            return
        reason = self._reason_of(child)
        log.warning("service_died", service=child.spec.name, exit_code=code, reason=reason)
        self.restarts += 1
        if code in (GAVE_UP, _CONFIGURATION):
            self.error = f"{child.spec.name}: {reason or f'exit code {code}'}"
            return
        quick = self._clock.monotonic() - child.started_at < _QUICK_DEATH_SECONDS
        child.quick_deaths = child.quick_deaths + 1 if quick else 1
        child.backoff.fail()
        if child.quick_deaths >= _QUICK_DEATHS:
            self.error = (
                f"{child.spec.name} died {child.quick_deaths} times in a row, last with code {code}; "
                f"see {self._logs / child.spec.name}.log"
            )

    def _log_file(self, child: _Child) -> IO[bytes]:
        self._logs.mkdir(parents=True, exist_ok=True)
        return (self._logs / f"{child.spec.name}.log").open("ab")

    def _reason_file(self, child: _Child) -> Path:
        return self._logs / f"{child.spec.name}.reason"

    def _reason_of(self, child: _Child) -> str:
        try:
            return self._reason_file(child).read_text().strip()
        except OSError:
            return ""
