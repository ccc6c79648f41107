"""Processes that start before Kafka, its topics or the object store are there (A9, A12)."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from deploy.local.errors import MissingToolError
from deploy.local.kafka import KafkaOptions, KafkaServer
from deploy.local.ports import free_port
from deploy.local.s3 import S3Server
from pairmill.bus.kafka_admin import KafkaAdmin
from pairmill.bus.settings import KafkaConfig
from pairmill.bus.sqlite import SqliteBus
from pairmill.bus.topics import create_topics, topic_partitions
from tests.fakes.components import Servers
from tests.fakes.processes import Child, wait_until
from tests.fakes.provided import lacking

BUCKET: Final = "datasets"
PROMPT_SECONDS: Final = 8.0
"""An end that waits for no connection; the interpreter of a busy machine takes its time."""


class Waiting:
    """A service's process, asked from outside."""

    def __init__(self, name: str, folder: Path, settings: Mapping[str, str]) -> None:
        self.port = free_port()
        self.reason = folder / f"{name}-reason"
        env = {
            **os.environ,
            "PAIRMILL_MEMBER": f"{name}-0",
            "PAIRMILL_SCRATCH": str(folder / f"{name}-scratch"),
            "PAIRMILL_ADMIN_PORT": str(self.port),
            "PAIRMILL_REASON_FILE": str(self.reason),
            "PAIRMILL_KAFKA__REQUEST_TIMEOUT_SECONDS": "5",
            **({"PAIRMILL_BUNDLES": str(folder)} if name == "gateway" else {}),
            **settings,
        }
        self.child = Child(f"pairmill_{name}", env=env)

    def page(self, path: str) -> str:
        """Returns a page of the admin port, whatever its status; nothing before the port is open."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.read().decode()
        except OSError:
            return ""

    def waits_for(self, text: str) -> None:
        """Returns once `/readyz` says what it waits for; it is alive meanwhile."""
        wait_until(lambda: text in self.page("/readyz"))
        assert json.loads(self.page("/livez"))["ok"] is True

    def ends(self, number: int = signal.SIGTERM) -> int:
        """Returns the exit code after a signal, which it heeds promptly."""
        began = time.monotonic()
        self.child.signal(number)
        code = self.child.wait()
        assert time.monotonic() - began < PROMPT_SECONDS
        return code


@pytest.fixture
def kafka(tmp_path: Path) -> KafkaServer:
    """A broker that has an address and does not run yet."""
    try:
        return KafkaServer(tmp_path / "kafka", options=KafkaOptions(heap_megabytes=256))
    except MissingToolError as error:
        lacking(error.what, error.remedy)


@pytest.fixture
def s3(own_servers: Servers) -> S3Server:
    """A store with its bucket."""
    server = own_servers.start(S3Server)
    server.make_bucket(BUCKET)
    return server


def on_s3(server: S3Server) -> dict[str, str]:
    return {
        "PAIRMILL_STORE_URL": f"s3://{BUCKET}",
        "PAIRMILL_S3__ENDPOINT": server.endpoint,
        "PAIRMILL_S3__CREDENTIALS_FILE": str(server.credentials_file),
    }


@pytest.mark.faults
def test_a9_a12_services_that_start_first_go_on_by_themselves(
    kafka: KafkaServer, s3: S3Server, tmp_path: Path
) -> None:
    s3.kill()
    settings = {"PAIRMILL_BUS_URL": kafka.bus_url, **on_s3(s3)}
    services = [Waiting(name, tmp_path, settings) for name in ("planner", "downloader", "gateway")]
    try:
        for service in services:
            service.waits_for("waits for the bus: no broker answers")
            assert 'pairmill_startup_waiting{need="bus"} 1.0' in service.page("/metrics")
        kafka.start()
        for service in services:
            service.waits_for("pairmill topics apply")
        with KafkaAdmin((kafka.address,), KafkaConfig()) as admin:
            for topic, count in topic_partitions(2).items():
                admin.create_topic(topic, count)
        for service in services:
            service.waits_for("waits for the store: could not reach")
        s3.start()
        for service in services:
            wait_until(lambda service=service: json.loads(service.page("/readyz"))["ok"])  # type: ignore[misc]  # its default
            assert 'pairmill_startup_waiting{need="store"} 0.0' in service.page("/metrics")
            assert service.ends() == 0
            events = [json.loads(line)["event"] for line in service.child.lines]
            assert "startup_waits" in events
            assert events.count("startup_went_on") == 2
    finally:
        for service in services:
            service.child.kill()
        kafka.stop()


@pytest.mark.parametrize("name", ["planner", "gateway"])
def test_a3_a_stop_while_waiting_ends_at_once(name: str, tmp_path: Path) -> None:
    """Also where a port takes connections and never answers, as that of a broker that stands still."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = {
            "PAIRMILL_BUS_URL": f"kafka://127.0.0.1:{silent.getsockname()[1]}",
            "PAIRMILL_STORE_URL": f"file://{tmp_path}/out",
            "PAIRMILL_KAFKA__REQUEST_TIMEOUT_SECONDS": "60",
        }
        service = Waiting(name, tmp_path, settings)
        with service.child:
            wait_until(lambda: service.page("/readyz") != "")
            assert service.ends() == 0


@pytest.mark.parametrize(
    ("bus", "named"),
    [("kafka://broker:no-port", "bus_url"), ("kafka://", "bus_url"), ("rabbit://broker", "bus_url")],
)
def test_an_address_that_is_none_ends_the_process(bus: str, named: str, tmp_path: Path) -> None:
    settings = {"PAIRMILL_BUS_URL": bus, "PAIRMILL_STORE_URL": f"file://{tmp_path}/out"}
    service = Waiting("planner", tmp_path, settings)
    with service.child:
        assert service.child.wait() == 2
    assert named in service.reason.read_text()


def test_g5_credentials_that_are_refused_from_the_start_end_the_process(s3: S3Server, tmp_path: Path) -> None:
    refused = tmp_path / "refused.json"
    refused.write_text(json.dumps({"access_key": "nobody", "secret_key": "nothing"}))
    bus = tmp_path / "bus.db"
    settings = {
        "PAIRMILL_BUS_URL": f"sqlite://{bus}",
        **on_s3(s3),
        "PAIRMILL_S3__CREDENTIALS_FILE": str(refused),
    }
    with_topics(bus)
    service = Waiting("planner", tmp_path, settings)
    with service.child:
        assert service.child.wait() == 2
    assert "PAIRMILL_S3__CREDENTIALS_FILE" in service.reason.read_text()


def with_topics(path: Path) -> None:
    """Makes an embedded bus."""
    with SqliteBus(path) as bus:
        create_topics(bus, 2)
