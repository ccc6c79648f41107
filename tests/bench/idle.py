"""What waiting costs on a real broker: a gateway and a stage without work; `python -m tests.bench.idle`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.bench.figures import Column, Figure, Result, Sample, plain_table
from tests.bench.gateway import running
from tests.bench.machine import machine_line

SECONDS: Final = 30.0
_SETTLE_SECONDS: Final = 12.0  # until no message has come for longer than members look often


def measure(folder: Path, seconds: float) -> Sample:
    """Has a job wait for a planner that never comes; returns what everybody takes of a core meanwhile."""
    with running(folder, stages=1) as services:
        services.jobs.submit(1)
        time.sleep(_SETTLE_SECONDS)
        before, start = services.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        passed, after = time.monotonic() - start, services.cpu_seconds()
    return {
        Figure(f"{name}, share of a core", "%"): 100 * (after[name] - before[name]) / passed for name in after
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
