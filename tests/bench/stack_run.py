"""The demo's job on the stack at two sizes: rate, share of bus and ledger, memory, lag at the end.

`python -m tests.bench.stack_run [--candidates N …]`; it needs what `make stack-up` needs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import grpc

from deploy.local.commands import python_module, run
from deploy.local.settings import STAGES
from deploy.local.stack import FIRST_GATEWAY, Stack, StackOptions, World
from pairmill.bus.kafka import KafkaBus
from pairmill.bus.port import TopicPartition
from pairmill.bus.settings import KafkaConfig
from pairmill.groups import stage_group
from pairmill.units import STAGE_TOPICS
from pairmill_models.bundle import load_bundle
from pairmill_models.tiny import bundle_path
from pairmill_protos.gateway.v1.job_service_pb2 import GetJobRequest, Job, JobState, SubmitJobRequest
from pairmill_protos.gateway.v1.job_service_pb2_grpc import JobServiceStub
from pairmill_protos.unit.v1.unit_pb2 import Stage
from pairmill_standalone.demo import prepare_demo_world
from pairmill_synthweb.prepare import FAILURES_FILE, PreparedWorld
from tests.bench.figures import Column, Figure, Result, Sample, plain_table
from tests.bench.machine import machine_line
from tests.bench.processes import Trace, Watch, read_process
from tests.bench.whole_run import driving_cpu, loops_cpu

SIZES: Final = (10_000, 100_000)
SEED: Final = 5
SECONDS: Final = Figure("wall time of the job", "s")
PER_SECOND: Final = Figure("candidates", "1/s")
CPU: Final = Figure("CPU time, all services", "s")
SHARE: Final = Figure("bus and ledger, share of the CPU time", "%")
WHOLE_SHARE: Final = Figure("the same with the whole gateway, its start and the last files included", "%")
GATEWAY: Final = Figure("CPU time of the gateway", "s")
DRIVING: Final = Figure("CPU time of the gateway from the job's submission to the last unit's end", "s")
LAG: Final = Figure("messages left at the end, all groups", "")
AUDIT: Final = Figure("`pairmill audit` of the bucket", "s")

_ENDED: Final = frozenset({JobState.JOB_STATE_COMPLETE, JobState.JOB_STATE_INCOMPLETE})
_LIMIT_SECONDS: Final = 7200.0
_LOOK_SECONDS: Final = 2.0
_WATCH_SECONDS: Final = 1.0


def measure(
    world: PreparedWorld, candidates: int, folder: Path, changed: Mapping[str, str] | None = None
) -> Sample:
    """Runs one job on a stack of its own and returns what that took; raises RuntimeError if it failed.

    `changed` are settings of the job that differ from the demo's.
    """
    (world.folder / FAILURES_FILE).unlink(missing_ok=True)
    served = World(folder=world.folder, candidates=candidates, seed=SEED)
    stack = Stack(folder, StackOptions(world=served), _say)
    with stack:
        with _watched(stack) as traces:
            started_cpu = _gateway_cpu(stack)
            start = time.monotonic()
            job = _run(stack, world, {**world.settings, **(changed or {})})
            seconds = time.monotonic() - start
        lag = _lag(stack)
        start = time.monotonic()
        run(python_module("pairmill_standalone", "audit", job.dataset), env=stack.command_env)
        audit = time.monotonic() - start
    services = {name: trace for name, trace in traces.items() if name in ("gateway", *STAGES)}
    cpu = sum(trace.cpu_seconds for trace in services.values())
    gateway = services["gateway"].cpu_seconds
    loops = sum(loops_cpu(stack.layout.logs).values())
    driving = driving_cpu(stack.layout.log(FIRST_GATEWAY)) - started_cpu
    return {
        SECONDS: seconds,
        PER_SECOND: job.progress.candidates_planned / seconds,
        CPU: cpu,
        SHARE: 100 * (loops + driving) / cpu,
        WHOLE_SHARE: 100 * (loops + gateway) / cpu,
        GATEWAY: gateway,
        DRIVING: driving,
        LAG: lag,
        AUDIT: audit,
        **{Figure(f"CPU time: {name}", "s"): trace.cpu_seconds for name, trace in sorted(services.items())},
        **{_memory(name): trace.private_bytes / 1e6 for name, trace in sorted(services.items())},
    }


def _gateway_cpu(stack: Stack) -> float:
    """Returns what the gateway has taken so far, without the children that draw thumbnails."""
    found = read_process(stack.services[FIRST_GATEWAY].pid)
    return found.cpu_seconds if found is not None else 0.0


def _memory(service: str) -> Figure:
    return Figure(f"peak memory: {service}, largest member with its children", "MB")


@contextmanager
def _watched(stack: Stack) -> Iterator[dict[str, Trace]]:
    """Fills the mapping at the end: what each service took in CPU, and the memory of its largest member."""
    found: dict[str, Trace] = {}
    watches = {
        process.name: Watch(process.pid, every_seconds=_WATCH_SECONDS) for process in stack.services.values()
    }
    for watch in watches.values():
        watch.__enter__()
    try:
        yield found
    finally:
        for name, watch in watches.items():
            watch.__exit__(None, None, None)
            _add(found, stack.services[name].service, watch.by_role())


def _add(found: dict[str, Trace], service: str, roles: Mapping[str, Trace]) -> None:
    trace = found.setdefault(service, Trace(role=service))
    trace.cpu_seconds += sum(role.cpu_seconds for role in roles.values())
    trace.private_bytes = max(trace.private_bytes, sum(role.private_bytes for role in roles.values()))


def _run(stack: Stack, world: PreparedWorld, settings: Mapping[str, str]) -> Job:
    """Submits the job and waits for its end; raises RuntimeError where it does not come."""
    token = Path(stack.command_env["PAIRMILL_TOKEN_FILE"]).read_text().strip()
    metadata = (("authorization", f"Bearer {token}"),)
    request = SubmitJobRequest(wats=[str(wat) for wat in world.wats], crawl="BENCH", settings=settings)
    deadline = time.monotonic() + _LIMIT_SECONDS
    with grpc.insecure_channel(stack.command_env["PAIRMILL_TARGET"]) as channel:
        jobs = JobServiceStub(channel)
        job: Job = jobs.SubmitJob(request, timeout=30, metadata=metadata).job
        while job.state not in _ENDED:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the job did not end:\n{job}")
            time.sleep(_LOOK_SECONDS)
            job = jobs.GetJob(GetJobRequest(job_id=job.job_id), timeout=30, metadata=metadata).job
            _say(f"{job.progress.candidates_ended:,} of {job.progress.candidates_planned:,} downloaded")
    return job


def _lag(stack: Stack) -> int:
    """Returns how many messages lie after the groups' offsets."""
    digest = load_bundle(bundle_path()).digest
    left = 0
    with KafkaBus((stack.kafka.address,), KafkaConfig()) as bus:
        for stage, topics in STAGE_TOPICS.items():
            if stage == Stage.STAGE_INDEX:
                continue
            group = stage_group(stage, bundle_digest=digest)
            for topic in topics:
                for partition in range(bus.partitions(topic)):
                    source = TopicPartition(topic, partition)
                    left += bus.end_offset(source) - (bus.committed(group, source) or 0)
    return left


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main() -> int:
    """Measures each size and prints the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--worlds", type=Path, help="folder of webs made before, one by number of candidates")
    parser.add_argument("--set", nargs="+", default=[], help="settings of the job: field=value")
    options = parser.parse_args()
    changed = dict(setting.split("=", 1) for setting in options.set)
    columns = []
    with tempfile.TemporaryDirectory() as folder:
        worlds = options.worlds or Path(folder)
        for size in options.candidates:
            world = prepare_demo_world(
                worlds / str(size), load_bundle(bundle_path()), candidates=size, seed=SEED
            )
            sample = measure(world, size, Path(folder) / f"stack-{size}", changed)
            columns.append(Column(label=f"about {size:,} candidates", samples=[sample]))
    setup = (
        "the synthetic web of `pairmill demo` on Kafka, an S3 server and tritonserver, with two crawlers and "
        "two downloaders"
    )
    result = Result(name="stack", setup=setup, columns=columns)
    sys.stdout.write(f"{machine_line()}\n{plain_table(result)}\n{json.dumps(result.as_json())}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
