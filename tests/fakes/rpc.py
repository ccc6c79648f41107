"""The API over fake jobs on a real socket, and callers of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
from prometheus_client import CollectorRegistry

from pairmill.clock import SystemClock
from pairmill.rpc.callers import Role
from pairmill.rpc.config import RpcConfig
from pairmill.rpc.server import RpcServer
from pairmill.rpc.tokens import entry_lines, new_token
from pairmill_gateway.rpc.server import Backends, gateway_api
from pairmill_protos.gateway.v1.job_service_pb2_grpc import JobServiceStub
from tests.fakes.jobs import FakeJobs

SECONDS = 10.0
"""Deadline of calls that are to be answered."""


@dataclass
class TokenFile:
    """A tokens file, and the tokens in it by name."""

    path: Path
    tokens: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, role: Role, tenant: str = "default", expires_at: datetime | None = None) -> str:
        """Adds a caller and returns its token."""
        token = self.tokens[name] = new_token()
        with self.path.open("a") as stream:
            stream.write(entry_lines(name, role, tenant, token, expires_at))
        return token

    def token_file(self, name: str) -> Path:
        """Returns a file with the token of a caller alone, as the command line takes it."""
        path = self.path.with_name(f"{name}.token")
        path.write_text(self.tokens[name] + "\n")
        return path


def callers(folder: Path) -> TokenFile:
    """Returns a tokens file with a caller of each role, named as the role."""
    file = TokenFile(folder / "tokens.toml")
    for role in Role:
        file.add(role.name.lower(), role)
    return file


@dataclass(frozen=True)
class Served:
    """A server that runs."""

    server: RpcServer
    jobs: FakeJobs
    tokens: TokenFile
    registry: CollectorRegistry
    problems: list[str]  # why calls cannot be answered now

    @property
    def target(self) -> str:
        """Its address."""
        return f"127.0.0.1:{self.server.port}"

    def metadata(self, name: str) -> tuple[tuple[str, str], ...]:
        """Returns the metadata of a caller."""
        return (("authorization", f"Bearer {self.tokens.tokens[name]}"),)

    def measured(self, metric: str, **labels: str) -> float | None:
        """Returns the value of a metric."""
        return self.registry.get_sample_value(metric, labels)


def config_of(tokens: TokenFile, **changes: Any) -> RpcConfig:
    """Returns a configuration for a loopback address without TLS."""
    plain = RpcConfig(
        listen="127.0.0.1:0",
        tokens_file=tokens.path,
        allow_insecure=True,
        linger_seconds=0.0,
        drain_seconds=2.0,
    )
    return replace(plain, **changes)


@contextmanager
def serving(tokens: TokenFile, jobs: FakeJobs | None = None, **changes: Any) -> Iterator[Served]:
    """Serves fake jobs meanwhile."""
    backend, registry, problems = jobs or FakeJobs(), CollectorRegistry(), list[str]()
    server = RpcServer(
        config_of(tokens, **changes),
        gateway_api(Backends(jobs=backend, audits=backend, standings=backend)),
        registry=registry,
        clock=SystemClock(),
        ready=lambda: problems[0] if problems else None,
    )
    with server:
        yield Served(server, backend, tokens, registry, problems)


@contextmanager
def job_stub(target: str) -> Iterator[JobServiceStub]:
    """Gives a stub of the job service on a connection of its own."""
    with grpc.insecure_channel(target, (("grpc.use_local_subchannel_pool", 1),)) as channel:
        yield JobServiceStub(channel)


def main(arguments: list[str]) -> int:
    """Serves until SIGTERM on a port, with a tokens file; says its port and how it ended."""
    import signal
    import threading

    port, path, linger = arguments
    tokens, stop = TokenFile(Path(path)), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    with serving(tokens, listen=f"127.0.0.1:{port}", linger_seconds=float(linger)) as served:
        sys.stdout.write(f"serves {served.target}\n")
        sys.stdout.flush()
        while not stop.wait(0.1):
            pass  # a signal that another thread took in does not wake an endless wait
    sys.stdout.write("drained\n")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
