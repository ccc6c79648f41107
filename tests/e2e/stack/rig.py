"""One stack of real parts for many jobs: submits them, keeps its services alive, puts all back in order."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import grpc

from deploy.local.service import ServiceProcess
from deploy.local.settings import BUCKET, PREFIX
from deploy.local.stack import Stack, StackOptions
from pairmill.bus.kafka_admin import KafkaAdmin
from pairmill.bus.settings import KafkaConfig
from pairmill_protos.gateway.v1.job_service_pb2 import (
    GetJobRequest,
    Job,
    JobState,
    SubmitJobRequest,
)
from pairmill_protos.gateway.v1.job_service_pb2_grpc import JobServiceStub
from tests.e2e.command import succeed
from tests.e2e.runs import Served

T = TypeVar("T")

CRAWL: Final = "E2E"
PARTITIONS: Final = 4
SECONDS: Final = 300.0  # for one job, whatever happens to it
MEMBERS: Final[Mapping[str, int]] = {"crawler": 2, "downloader": 2}
ENDED: Final = frozenset(
    {JobState.JOB_STATE_COMPLETE, JobState.JOB_STATE_INCOMPLETE, JobState.JOB_STATE_CANCELLED}
)
_CALL_SECONDS: Final = 20.0
_WATCH_SECONDS: Final = 0.2
_QUICK: Final = {
    "PAIRMILL_KAFKA__SESSION_TIMEOUT_SECONDS": "6",
    "PAIRMILL_KAFKA__REQUEST_TIMEOUT_SECONDS": "10",
    "PAIRMILL_KAFKA__MAX_POLL_INTERVAL_SECONDS": "12",
}
"""A dead member is noticed in seconds, not minutes."""


def options() -> StackOptions:
    """Returns a stack that notices trouble soon."""
    quick = {service: dict(_QUICK) for service in ("crawler", "planner", "downloader", "inference", "scorer")}
    quick["finaliser"] = quick["indexer"] = dict(_QUICK)
    quick["gateway"] = {**_QUICK, "PAIRMILL_REISSUE_AFTER_SECONDS": "3"}
    return StackOptions(members=dict(MEMBERS), partitions=PARTITIONS, service_env=quick)


class Rig:
    """What a test does with a stack. Used by one thread.

    While it waits it starts services again that died, as a cluster does, but for those on hold.
    """

    def __init__(self, stack: Stack, served: Served) -> None:
        self.stack = stack
        self.served = served
        self.restarts = 0
        self._on_hold: set[str] = set()

    @property
    def env(self) -> dict[str, str]:
        """What `pairmill` on the command line needs to read the bucket and call the gateway."""
        return self.stack.command_env

    @property
    def admin(self) -> KafkaAdmin:
        """What an operator of the broker can do."""
        return KafkaAdmin(self.stack.bus_servers, KafkaConfig())

    def dataset(self, job: str) -> str:
        """Returns the address of a job's dataset."""
        return f"s3://{BUCKET}/{PREFIX}/{job}"

    def submit(self, key: str) -> str:
        """Submits a job over the synthetic web and returns its id."""
        request = SubmitJobRequest(
            idempotency_key=key,
            wats=[str(wat) for wat in self.served.prepared.wats],
            crawl=CRAWL,
            settings=dict(self.served.prepared.settings),
        )
        return self._call(lambda jobs, call: jobs.SubmitJob(request, **call).job.job_id)

    def validate(self, wats: Sequence[str]) -> Job:
        """Has a job checked without admitting it, and returns it."""
        request = SubmitJobRequest(wats=wats, crawl=CRAWL, validate_only=True)
        return self._call(lambda jobs, call: jobs.SubmitJob(request, **call).job)

    def replay(self, job_id: str) -> str:
        """Has what was given up run again and returns the job that does it."""
        ended = succeed("job", "replay", job_id, "--json", env=self.env)
        return str(ended.json()["job_id"])

    def job(self, job_id: str) -> Job:
        """Returns a job as the gateway sees it; waits while there is no gateway."""
        return self._call(lambda jobs, call: jobs.GetJob(GetJobRequest(job_id=job_id), **call).job)

    def run(self, key: str) -> Job:
        """Submits a job and waits for its end."""
        return self.wait_end(self.submit(key))

    def wait_end(self, job_id: str) -> Job:
        """Waits until a job has ended and returns it."""
        return self.wait_for(job_id, lambda job: job.state in ENDED)

    def wait_for_candidates(self, job_id: str, ended: int) -> None:
        """Waits until so many candidates were downloaded, with the job still at work."""
        job = self.wait_for(job_id, lambda job: job.progress.candidates_ended >= ended or job.state in ENDED)
        assert job.state not in ENDED, "the job ended before"

    def wait_for(self, job_id: str, is_so: Callable[[Job], bool], seconds: float = SECONDS) -> Job:
        """Asks for a job until something is so."""
        deadline = time.monotonic() + seconds
        while not is_so(job := self.job(job_id)):
            assert time.monotonic() < deadline, f"not in time; the job is\n{job}"
            self.rest(_WATCH_SECONDS)
        return job

    def rest(self, seconds: float) -> None:
        """Lets time pass that a fault is to last."""
        deadline = time.monotonic() + seconds
        while True:
            self._start_again()
            left = deadline - time.monotonic()
            if left <= 0:
                return
            threading.Event().wait(min(left, _WATCH_SECONDS))

    def add(self, service: str) -> ServiceProcess:
        """Starts one more process of a service and waits until it is ready."""
        process = self.stack.add_member(service)
        if service == "downloader":
            process.stop()
            process.set_env(**self.served.downloader_env)
            process.launch()
        process.wait_ready()
        return process

    def start_anew(self, *services: str, **env: str) -> None:
        """Starts processes of services again with another environment, and waits until all are ready."""
        processes = [each for each in self.stack.services.values() if each.service in services]
        for process in processes:
            process.stop()
            process.set_env(**env)
            process.launch()
        for process in processes:
            process.wait_ready()

    def remove(self, process: ServiceProcess) -> None:
        """Ends a process for good."""
        process.stop()
        del self.stack.services[process.name]

    def services(self, name: str) -> list[ServiceProcess]:
        """Returns the processes of a service."""
        return [process for process in self.stack.services.values() if process.service == name]

    def wait_unready(self, process: ServiceProcess, words: str, seconds: float = 90.0) -> None:
        """Waits until a process takes no work and says so in these words among others."""
        deadline = time.monotonic() + seconds
        while words not in (said := why_unready(process)):
            assert time.monotonic() < deadline, f"{process.name} does not say {words!r} but {said!r}"
            self.rest(_WATCH_SECONDS)

    @contextmanager
    def held(self, *processes: ServiceProcess) -> Iterator[None]:
        """Leaves processes as they are meanwhile."""
        names = {process.name for process in processes}
        self._on_hold |= names
        try:
            yield
        finally:
            self._on_hold -= names

    def _start_again(self) -> None:
        for name, process in self.stack.services.items():
            if name not in self._on_hold and not process.alive:
                process.set_env(PAIRMILL_KILL_AT="")
                process.launch()
                self.restarts += 1

    def _call(self, call: Callable[[JobServiceStub, dict[str, Any]], T]) -> T:
        """Calls the gateway, again while there is none."""
        token = Path(self.env["PAIRMILL_TOKEN_FILE"]).read_text().strip()
        arguments: dict[str, Any] = {
            "timeout": _CALL_SECONDS,
            "metadata": (("authorization", f"Bearer {token}"),),
        }
        deadline = time.monotonic() + SECONDS
        while True:
            with grpc.insecure_channel(self.env["PAIRMILL_TARGET"]) as channel:
                try:
                    return call(JobServiceStub(channel), arguments)
                except grpc.RpcError as error:
                    again = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
                    if error.code() not in again or time.monotonic() > deadline:
                        raise
            self.rest(_WATCH_SECONDS)


def why_unready(process: ServiceProcess) -> str:
    """Returns what a process says of why it takes no work; nothing while it does, or is not there."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the loopback needs no proxy
    try:
        opener.open(process.ready_url, timeout=_CALL_SECONDS).close()
    except urllib.error.HTTPError as answer:
        with answer:
            checks = json.load(answer)["checks"]
        return "; ".join(f"{name}: {text}" for name, text in checks.items() if text != "ok")
    except OSError:
        return ""
    return ""
