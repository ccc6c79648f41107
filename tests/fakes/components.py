"""Real parts for tests: Kafka, an S3 server, tritonserver and Prometheus, which the test session starts.

The fixtures of the session are shared by all its tests: each takes topics, prefixes and groups of its own,
and leaves the servers as they are. Who kills, pauses or configures a server takes one of its own from a
`make_…` fixture. What the machine lacks is said by `lacking`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

from deploy.local.component import Component
from deploy.local.errors import MissingToolError
from deploy.local.kafka import KafkaCluster, KafkaOptions, KafkaServer
from deploy.local.prometheus import PrometheusServer
from deploy.local.s3 import S3Server
from deploy.local.triton import TritonServer
from tests.fakes.provided import lacking

Server = TypeVar("Server", bound=Component | KafkaCluster)


class MakeKafka(Protocol):
    """Starts a broker."""

    def __call__(self, options: KafkaOptions | None = None) -> KafkaServer: ...


class MakeKafkaCluster(Protocol):
    """Starts several brokers."""

    def __call__(self, brokers: int = 3, options: KafkaOptions | None = None) -> KafkaCluster: ...


class MakeTriton(Protocol):
    """Starts a tritonserver over a model repository."""

    def __call__(self, repository: Path, *arguments: str) -> TritonServer: ...


class Servers:
    """Starts servers in folders of their own and stops them all at the end, the last one first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[tuple[Component | KafkaCluster, Path]] = []

    def start(self, make: Callable[[Path], Server]) -> Server:
        """Returns a started server; skips or fails the test where the machine lacks what it needs."""
        folder = self._folder / str(len(self._started))
        try:
            server = make(folder)
        except MissingToolError as error:
            lacking(error.what, error.remedy)
        self._started.append((server, folder))
        server.start()
        return server

    def stop(self) -> None:
        """Stops all and removes their data."""
        for server, folder in reversed(self._started):
            server.stop()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    servers = Servers(tmp_path_factory.mktemp("servers"))
    yield servers
    servers.stop()


@pytest.fixture
def own_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    servers = Servers(tmp_path_factory.mktemp("servers"))
    yield servers
    servers.stop()


@pytest.fixture(scope="session")
def kafka_server(shared_servers: Servers) -> KafkaServer:
    """The session's broker; `bus_url` and `address` say where it is."""
    return shared_servers.start(KafkaServer)


@pytest.fixture(scope="session")
def s3_server(shared_servers: Servers) -> S3Server:
    """The session's S3 server; `make_bucket(name)`, `endpoint` and `credentials_file` are what one needs."""
    return shared_servers.start(S3Server)


@pytest.fixture(scope="session")
def triton_server(shared_servers: Servers) -> Callable[[Path], TritonServer]:
    """Returns the session's tritonserver over a model repository, one for each repository."""
    started: dict[Path, TritonServer] = {}

    def serve(repository: Path) -> TritonServer:
        if repository not in started:
            started[repository] = shared_servers.start(lambda folder: TritonServer(folder, repository))
        return started[repository]

    return serve


@pytest.fixture(scope="session")
def prometheus_server(shared_servers: Servers) -> Callable[[Path], PrometheusServer]:
    """Returns the session's Prometheus over a configuration, one for each configuration."""
    started: dict[Path, PrometheusServer] = {}

    def serve(config: Path) -> PrometheusServer:
        if config not in started:
            started[config] = shared_servers.start(lambda folder: PrometheusServer(folder, config))
        return started[config]

    return serve


@pytest.fixture
def make_kafka(own_servers: Servers) -> MakeKafka:
    """Starts a broker of the test's own."""

    def make(options: KafkaOptions | None = None) -> KafkaServer:
        return own_servers.start(lambda folder: KafkaServer(folder, options=options))

    return make


@pytest.fixture
def make_kafka_cluster(own_servers: Servers) -> MakeKafkaCluster:
    """Starts several brokers of the test's own."""

    def make(brokers: int = 3, options: KafkaOptions | None = None) -> KafkaCluster:
        return own_servers.start(lambda folder: KafkaCluster(folder, brokers=brokers, options=options))

    return make


@pytest.fixture
def make_s3(own_servers: Servers) -> Callable[[], S3Server]:
    """Starts an S3 server of the test's own."""
    return lambda: own_servers.start(S3Server)


@pytest.fixture
def make_triton(own_servers: Servers) -> MakeTriton:
    """Starts a tritonserver of the test's own, with more arguments where they are given."""

    def make(repository: Path, *arguments: str) -> TritonServer:
        return own_servers.start(lambda folder: TritonServer(folder, repository, arguments=arguments))

    return make


@pytest.fixture
def make_prometheus(own_servers: Servers) -> Callable[[Path], PrometheusServer]:
    """Starts a Prometheus of the test's own over a configuration."""
    return lambda config: own_servers.start(lambda folder: PrometheusServer(folder, config))
