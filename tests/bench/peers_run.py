"""Runs a peer's process, and says what it took."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pairmill_index.options import cores
from tests.bench.peers import peer_environment
from tests.bench.processes import Trace, Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a peer's process ended."""

    facts: dict[str, Any] | None  # of its last line; None if it was stopped
    seconds: float
    cpu_seconds: float  # as last seen
    peak_bytes: int

    def answer(self) -> dict[str, Any]:
        """Returns its facts, which are there if it was given all the time it wanted."""
        assert self.facts is not None
        return self.facts


def run_peer(command: list[str], *, cpu_seconds: float = math.inf) -> Ended:
    """Runs a peer's process to its end, or until it has used up so much processor time."""
    peer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=peer_environment(threads=cores()))

    def notice(traces: Mapping[int, Trace]) -> None:
        if sum(trace.cpu_seconds for trace in traces.values()) > cpu_seconds:
            peer.kill()

    started = time.monotonic()
    with Watch(peer.pid, notice=notice) as watch:
        printed, _ = peer.communicate()
    if peer.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"{command[2]} ended with code {peer.returncode}:\n{printed[-2000:]}")
    return Ended(
        facts=json.loads(printed.strip().splitlines()[-1]) if peer.returncode == 0 else None,
        seconds=time.monotonic() - started,
        cpu_seconds=sum(trace.cpu_seconds for trace in watch.traces.values()),
        peak_bytes=max(trace.private_bytes for trace in watch.traces.values()),
    )
