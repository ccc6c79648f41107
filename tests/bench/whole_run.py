"""`pairmill run` over the synthetic web at two sizes: time, share of bus and ledger, memory per process."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pairmill_models.bundle import load_bundle
from pairmill_models.tiny import bundle_path
from pairmill_synthweb.plan import DEFAULT_WATS
from pairmill_synthweb.prepare import PreparedWorld, prepare_world
from pairmill_synthweb.truth.compare import compare_with_truth
from pairmill_synthweb.truth.table import read_truth
from tests.bench.figures import Column, Figure, Result, Sample
from tests.bench.gateway_trace import GatewayTrace
from tests.bench.processes import Trace, Watch
from tests.bench.setup import Setup
from tests.e2e.runs import Served, kill_whole, serving

CANDIDATES: Final = 3000
LEAST: Final = 420
FACTORS: Final = (1, 8)
SEED: Final = 1
LIMIT_SECONDS: Final = 3600.0

SECONDS: Final = Figure("wall time of the command", "s")
PER_SECOND: Final = Figure("candidates", "1/s")
CPU: Final = Figure("CPU time, all processes", "s")
PROTOCOL_SHARE: Final = Figure("bus and ledger, share of the CPU time", "%")
WHOLE_SHARE: Final = Figure("the same with the gateway's start", "%")
STAGES: Final = Figure("bus and ledger: loops of all stages", "CPU s")
GATEWAY: Final = Figure("bus and ledger: gateway, from its start to the last unit's end", "CPU s")
GATEWAY_START: Final = Figure("gateway: start", "CPU s")
GATEWAY_END: Final = Figure("gateway: ledger file, report, manifest, janitor", "CPU s")


def benchmark(setup: Setup) -> Result:
    """Runs over a web of the demo's size, several times, and once over one eight times as large.

    A larger crawl has more WATs, not larger ones.
    """
    folder = setup.folder("runs")
    columns = []
    for factor in FACTORS:
        size = setup.size(CANDIDATES, least=LEAST) * factor
        world = prepare_world(
            folder / f"web-{size}",
            load_bundle(bundle_path()),
            candidates=size,
            seed=SEED,
            wats=DEFAULT_WATS * factor,
        )
        runs = setup.runs if factor == 1 else 1
        samples = [measure(world, folder / f"out-{size}") for _ in range(runs)]
        columns.append(Column(label=f"{factor}×, about {size:,} candidates", samples=samples))
    return Result(
        name="runs",
        setup="the synthetic web of `pairmill demo`, served by this benchmark's process; one process per "
        "service; every candidate ended as the truth table says",
        columns=columns,
    )


def measure(world: PreparedWorld, out: Path) -> Sample:
    """Runs the pipeline over a web into an empty folder and returns what that took."""
    shutil.rmtree(out, ignore_errors=True)
    before = _children_cpu()
    with serving(world) as served:
        start = time.monotonic()
        command = subprocess.Popen(
            _command(served, out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        gateway = GatewayTrace(out / ".pairmill" / "status.json")
        with command, Watch(command.pid, notice=gateway.note) as watch:
            try:
                _, complaints = command.communicate(timeout=LIMIT_SECONDS)
            except BaseException:
                kill_whole(command)
                raise
        seconds = time.monotonic() - start
    cpu_seconds = _children_cpu() - before
    candidates = _checked(world, out, complaints)
    return {
        SECONDS: seconds,
        PER_SECOND: candidates / seconds,
        **_protocol(out, gateway, cpu_seconds),
        **_by_service(watch.by_role()),
    }


def _command(served: Served, out: Path) -> list[str]:
    world, env = served.prepared, served.downloader_env
    return [
        *(sys.executable, "-m", "pairmill_standalone", "run", "--yes", "--json", "--out", str(out)),
        *(part for wat in world.wats for part in ("--wat", str(wat))),
        *(part for name, value in world.settings.items() for part in ("--set", f"{name}={value}")),
        *(
            part
            for network in env["PAIRMILL_ALLOWED_NETWORKS"].split(",")
            for part in ("--allow-network", network)
        ),
        *(part for route in env["PAIRMILL_CONNECT_TO"].split(",") for part in ("--connect-to", route)),
    ]


def _checked(world: PreparedWorld, out: Path, complaints: str) -> int:
    """Returns the number of candidates; raises RuntimeError for a run that did not do its work."""
    if not (out / "dataset.json").exists():
        raise RuntimeError(f"the run made no dataset:\n{complaints}")
    comparison = compare_with_truth(out, read_truth(world.truth))
    if not comparison.is_same:
        raise RuntimeError(comparison.summary())
    return comparison.candidates


def _protocol(out: Path, gateway: GatewayTrace, cpu_seconds: float) -> Sample:
    """Returns what bus and ledger took of the run's processor time."""
    loops = loops_cpu(out / ".pairmill" / "logs")
    stages = sum(loops.values())
    driving = driving_cpu(out / ".pairmill" / "logs" / "gateway.log")
    return {
        CPU: cpu_seconds,
        PROTOCOL_SHARE: 100 * (stages + driving - gateway.start_cpu) / cpu_seconds,
        WHOLE_SHARE: 100 * (stages + driving) / cpu_seconds,
        STAGES: stages,
        **{Figure(f"bus and ledger: loop of the {name}", "CPU s"): loops[name] for name in sorted(loops)},
        GATEWAY: driving,
        GATEWAY_START: gateway.start_cpu,
        GATEWAY_END: gateway.cpu - driving,
    }


def loops_cpu(logs: Path) -> dict[str, float]:
    """Returns the processor time of the stages' loop threads by service, from the ends of their logs."""
    seconds: dict[str, float] = {}
    for path in sorted(logs.glob("*-*.log")):
        for line in path.read_text().splitlines():
            if '"service_stopped"' in line:
                facts = json.loads(line)
                spent = seconds.get(facts["service"], 0.0)
                seconds[facts["service"]] = spent + facts.get("protocol_cpu_seconds", 0.0)  # stages have it
    return seconds


def driving_cpu(log: Path) -> float:
    """Returns the gateway's processor time until the job's last unit had ended, from its log."""
    lines = log.read_text().splitlines()
    found = [json.loads(line)["cpu_seconds"] for line in lines if '"work_finished"' in line]
    return float(found[-1])


def _by_service(roles: Mapping[str, Trace]) -> Sample:
    """Returns processor time and memory by service; children stand beside the service they belong to."""
    names = sorted(roles)
    return {
        **{Figure(f"peak memory: {name}", "MB"): roles[name].private_bytes / 1e6 for name in names},
        **{Figure(f"CPU time: {name}", "s"): roles[name].cpu_seconds for name in names},
        **{Figure(f"peak with mapped files: {name}", "MB"): roles[name].peak_bytes / 1e6 for name in names},
    }


def _children_cpu() -> float:
    """Returns the processor time of all descendants that have ended and were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
