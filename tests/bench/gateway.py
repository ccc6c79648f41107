"""Units that bus and gateway carry with empty work, on a real broker; `python -m tests.bench.gateway`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import grpc

from deploy.local.kafka import KafkaServer
from deploy.local.ports import free_port
from pairmill.bus.kafka_admin import KafkaAdmin
from pairmill.bus.settings import KafkaConfig
from pairmill.bus.topics import topic_partitions
from pairmill.rpc.callers import Role
from pairmill_models.tiny import bundle_path
from pairmill_protos.gateway.v1.job_service_pb2 import GetJobRequest, Job, ListJobsRequest, SubmitJobRequest
from pairmill_protos.gateway.v1.job_service_pb2_grpc import JobServiceStub
from pairmill_protos.unit.v1.unit_pb2 import Stage
from tests.bench.figures import Column, Figure, Result, Sample, plain_table
from tests.bench.machine import machine_line
from tests.bench.processes import read_process
from tests.bench.setup import Setup
from tests.fakes.rpc import TokenFile

T = TypeVar("T")

UNITS: Final = 5_000
WORKERS: Final = 2
PARTITIONS: Final = 8

UNITS_PER_SECOND: Final = Figure("units", "1/s")
STAGE_MILLISECONDS: Final = Figure("CPU time of a stage, per unit", "ms")
GATEWAY_MILLISECONDS: Final = Figure("CPU time of the gateway, per unit", "ms")
BROKER_MILLISECONDS: Final = Figure("CPU time of the broker, per unit", "ms")

_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A gateway and stages without work of their own, on a real broker."""

    gateway: int  # process id
    stages: tuple[int, ...]
    broker: int
    jobs: Jobs

    def cpu_seconds(self) -> dict[str, float]:
        """Returns the processor time of the gateway, of the stages together and of the broker."""
        stages = sum(map(cpu_seconds, self.stages))
        return {
            "gateway": cpu_seconds(self.gateway),
            "stage": stages,
            "broker": cpu_seconds(self.broker),
        }


@contextmanager
def running(folder: Path, *, stages: int) -> Iterator[Running]:
    """Starts them, and gives them once the gateway answers."""
    with ExitStack() as stack:
        kafka = stack.enter_context(KafkaServer(folder / "kafka"))
        _create_topics(kafka)
        tokens = TokenFile(folder / "tokens.toml")
        tokens.add("bench", Role.OPERATE)
        target = f"127.0.0.1:{free_port()}"
        gateway = stack.enter_context(
            _started(folder, "pairmill_gateway", _gateway_env(kafka, folder, target))
        )
        workers = [
            stack.enter_context(
                _started(folder, "tests.bench.empty_stage", _stage_env(kafka, folder, target, tokens, number))
            )
            for number in range(stages)
        ]
        jobs = Jobs(stack.enter_context(grpc.insecure_channel(target)), tokens.tokens["bench"])
        jobs.wait_ready()
        yield Running(gateway=gateway, stages=tuple(workers), broker=kafka.pid, jobs=jobs)


def measure(folder: Path, units: int) -> Sample:
    """Runs a job of empty crawl units through broker, gateway and two stages."""
    with running(folder, stages=WORKERS) as services:
        services.jobs.submit(1)  # everybody is in its group, and has its connections
        before, start = services.cpu_seconds(), time.monotonic()
        services.jobs.submit(units)
        seconds, after = time.monotonic() - start, services.cpu_seconds()
    per_unit = {name: (after[name] - before[name]) / units * 1000 for name in after}
    return {
        UNITS_PER_SECOND: units / seconds,
        GATEWAY_MILLISECONDS: per_unit["gateway"],
        STAGE_MILLISECONDS: per_unit["stage"],
        BROKER_MILLISECONDS: per_unit["broker"],
    }


def _create_topics(kafka: KafkaServer) -> None:
    """Creates the topics that the services share."""
    with KafkaAdmin((kafka.address,), KafkaConfig()) as admin:
        for topic, partitions in topic_partitions(PARTITIONS).items():
            admin.create_topic(topic, partitions)


class Jobs:
    """Submits jobs and waits until their crawl units are closed."""

    def __init__(self, channel: grpc.Channel, token: str) -> None:
        self._stub = JobServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {token}"),)

    def wait_ready(self) -> None:
        """Returns once the gateway has read which jobs there are."""
        self._answer(lambda: self._stub.ListJobs(ListJobsRequest(), timeout=60, metadata=self._metadata))

    def submit(self, units: int) -> None:
        """Returns once a job of so many crawl units has all of them closed."""
        request = SubmitJobRequest(
            wats=[f"https://host.example/{number}.wat.gz" for number in range(units)],
            settings={"wave_size": str(units)},
        )
        job = self._stub.SubmitJob(request, timeout=60, metadata=self._metadata, wait_for_ready=True).job
        deadline = time.monotonic() + _SECONDS
        while _closed(self._get(job.job_id)) < units:
            assert time.monotonic() < deadline, self._get(job.job_id)
            time.sleep(0.2)

    def _get(self, job_id: str) -> Job:
        request = GetJobRequest(job_id=job_id)
        return self._answer(lambda: self._stub.GetJob(request, timeout=60, metadata=self._metadata)).job

    @staticmethod
    def _answer(call: Callable[[], T]) -> T:
        """Calls until there is an answer: where much else runs, a turn may take longer than calls wait."""
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                return call()
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or time.monotonic() > deadline:
                    raise
            time.sleep(0.2)


def _closed(job: Job) -> int:
    return sum(stage.units_closed for stage in job.progress.stages if stage.stage == Stage.STAGE_CRAWL)


def _shared(kafka: KafkaServer, folder: Path) -> dict[str, str]:
    return {
        "PAIRMILL_BUS_URL": kafka.bus_url,
        "PAIRMILL_STORE_URL": f"file://{folder / 'store'}",
        "PAIRMILL_LOG_LEVEL": "warning",
        "PAIRMILL_WATCH_STDIN": "true",
    }


def _gateway_env(kafka: KafkaServer, folder: Path, target: str) -> dict[str, str]:
    """Returns the settings of a gateway that answers at `target`."""
    return _shared(kafka, folder) | {
        "PAIRMILL_MEMBER": "gateway-0",
        "PAIRMILL_SCRATCH": str(folder / "scratch-gateway"),
        "PAIRMILL_BUNDLES": str(bundle_path().parent),
        "PAIRMILL_RPC__LISTEN": target,
        "PAIRMILL_RPC__TOKENS_FILE": str(folder / "tokens.toml"),
        "PAIRMILL_RPC__ALLOW_INSECURE": "true",
        "PAIRMILL_RPC__LINGER_SECONDS": "0",
    }


def _stage_env(
    kafka: KafkaServer, folder: Path, target: str, tokens: TokenFile, number: int
) -> dict[str, str]:
    """Returns the settings of a stage that asks the gateway."""
    return _shared(kafka, folder) | {
        "PAIRMILL_MEMBER": f"empty-{number}",
        "PAIRMILL_SCRATCH": str(folder / f"scratch-{number}"),
        "PAIRMILL_UNITS_IN_FLIGHT": "32",
        "PAIRMILL_WAITING_PER_PARTITION": "32",
        "PAIRMILL_GATEWAY_TARGET": target,
        "PAIRMILL_GATEWAY__TOKEN_FILE": str(tokens.token_file("bench")),
    }


@contextmanager
def _started(folder: Path, module: str, env: Mapping[str, str]) -> Iterator[int]:
    """Runs a module; gives its process id."""
    with (folder / f"{env['PAIRMILL_MEMBER']}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            env={**os.environ, **env},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)
        if process.stdin is not None:
            process.stdin.close()


def cpu_seconds(pid: int) -> float:
    """Returns the processor time of a process; 0 if it is gone."""
    found = read_process(pid)
    return found.cpu_seconds if found is not None else 0.0


def benchmark(setup: Setup) -> Result:
    """Measures one size."""
    units = setup.size(UNITS, least=500)
    samples = [measure(setup.folder(f"gateway-{number}"), units) for number in range(setup.runs)]
    return Result(
        name="gateway",
        setup=f"empty crawl units of one job over Kafka, {WORKERS} stages that ask the gateway",
        columns=[Column(label=f"{units:,} units", samples=samples)],
    )


def main() -> int:
    """Measures once and prints the figures; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gateway", description=__doc__)
    parser.add_argument("--units", type=int, default=UNITS, help="size of the job")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        sample = measure(Path(folder), options.units)
    columns = [Column(label=f"{options.units:,} units", samples=[sample])]
    result = Result(name="gateway", setup="empty units over Kafka and gateway", columns=columns)
    sys.stdout.write(f"{plain_table(result)}\n{machine_line()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
