"""What waiting costs on a real broker: a gateway and a stage without work; `python -m tests.bench.idle`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import grpc

from deploy.local.kafka import KafkaServer
from deploy.local.ports import free_port
from pairmill.rpc.callers import Role
from tests.bench.figures import Column, Figure, Result, Sample, plain_table
from tests.bench.gateway import Jobs, cpu_seconds, create_topics, gateway_env, stage_env, started
from tests.bench.machine import machine_line
from tests.fakes.rpc import TokenFile

SECONDS: Final = 30.0
_SETTLE_SECONDS: Final = 12.0  # until no message has come for longer than members look often

_NAMES: Final = ("gateway", "stage", "broker")


def measure(folder: Path, seconds: float) -> Sample:
    """Has a job wait for a planner that never comes; returns what everybody takes of a core meanwhile."""
    with ExitStack() as stack:
        kafka = stack.enter_context(KafkaServer(folder / "kafka"))
        create_topics(kafka)
        tokens = TokenFile(folder / "tokens.toml")
        tokens.add("bench", Role.OPERATE)
        target = f"127.0.0.1:{free_port()}"
        gateway = stack.enter_context(started(folder, "pairmill_gateway", gateway_env(kafka, folder, target)))
        stage = stack.enter_context(
            started(folder, "tests.bench.empty_stage", stage_env(kafka, folder, target, tokens, 0))
        )
        with grpc.insecure_channel(target) as channel:
            jobs = Jobs(channel, tokens.tokens["bench"])
            jobs.wait_ready()
            jobs.submit(1)
        time.sleep(_SETTLE_SECONDS)
        return _shares(dict(zip(_NAMES, (gateway, stage, kafka.pid), strict=True)), seconds)


def _shares(pids: Mapping[str, int], seconds: float) -> Sample:
    before, start = {name: cpu_seconds(pid) for name, pid in pids.items()}, time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - start
    return {
        Figure(f"{name}, share of a core", "%"): 100 * (cpu_seconds(pid) - before[name]) / passed
        for name, pid in pids.items()
    }


def main() -> int:
    """Measures and prints the figures; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.idle", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each run waits")
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    samples = []
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
            samples.append(measure(Path(folder), options.seconds))
    columns = [Column(label=f"{options.seconds:.0f} s", samples=samples)]
    result = Result(name="idle", setup="one open job, a gateway, a stage, nothing to do", columns=columns)
    sys.stdout.write(f"{plain_table(result)}\n{machine_line()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
