"""The admin port over real sockets."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator

import pytest
import structlog
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

from pairmill.errors import ConfigurationError
from pairmill.telemetry.admin import MAX_CONNECTIONS, AdminServer
from pairmill.telemetry.metrics import StageMetrics
from pairmill_protos.unit.v1.unit_pb2 import Stage
from tests.fakes.processes import wait_until


def get(port: int, path: str, *, method: str = "GET", host: str = "127.0.0.1") -> tuple[int, str]:
    connection = http.client.HTTPConnection(host, port, timeout=20)
    connection.request(method, path)
    response = connection.getresponse()
    answer = response.status, response.read().decode()
    connection.close()
    return answer


class Health:
    """Checks whose answers a test sets."""

    def __init__(self) -> None:
        self.live: str | None = None
        self.ready: str | None = None

    def is_live(self) -> str | None:
        return self.live

    def is_ready(self) -> str | None:
        if self.ready == "broken":
            raise RuntimeError("the check itself")
        return self.ready


def serve(
    health: Health, port: int = 0, *, host: str = "127.0.0.1", connection_seconds: float = 15.0
) -> AdminServer:
    registry = CollectorRegistry()
    StageMetrics(registry, stage=Stage.STAGE_CRAWL)
    return AdminServer(
        host=host,
        port=port,
        registry=registry,
        live={"loop": health.is_live},
        ready={"loop": health.is_ready},
        connection_seconds=connection_seconds,
    )


def test_liveness_and_readiness_are_different_questions() -> None:
    health = Health()
    with serve(health) as server:
        assert get(server.port, "/livez") == (200, '{"ok": true, "checks": {"loop": "ok"}}\n')
        health.ready = "breaker: no model"
        assert get(server.port, "/livez")[0] == 200
        status, body = get(server.port, "/readyz")
        assert status == 503
        assert json.loads(body) == {"ok": False, "checks": {"loop": "breaker: no model"}}
        health.live = "the loop has not turned for 70 s"
        assert get(server.port, "/livez")[0] == 503


def test_a_check_that_raises_is_a_problem_and_not_a_crash() -> None:
    health = Health()
    health.ready = "broken"
    with serve(health) as server:
        status, body = get(server.port, "/readyz")
        assert status == 503
        assert "the check itself" in json.loads(body)["checks"]["loop"]


def test_measures_are_served_and_other_paths_are_not() -> None:
    with serve(Health()) as server:
        status, body = get(server.port, "/metrics?name=x")
        assert status == 200
        assert 'pairmill_units_total{result="done"} 0.0' in body
        assert get(server.port, "/other")[0] == 404


def test_health_is_measured_too() -> None:
    health = Health()
    health.ready = "breaker: no model"
    with serve(health) as server:
        body = get(server.port, "/metrics")[1]
    assert 'pairmill_live{check="loop"} 1.0' in body
    assert 'pairmill_ready{check="loop"} 0.0' in body


def test_head_has_no_body_and_other_methods_are_refused() -> None:
    with serve(Health()) as server:
        assert get(server.port, "/livez", method="HEAD") == (200, "")
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
            assert get(server.port, "/livez", method=method) == (405, "only GET and HEAD\n")


def test_what_answers_is_not_told() -> None:
    with serve(Health()) as server, contextlib.closing(open_to(server)) as client:
        client.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        assert b"Python" not in received(client)


def test_it_listens_where_it_is_told_to() -> None:
    with serve(Health(), host="::1") as server:
        assert get(server.port, "/livez", host="::1")[0] == 200


def test_a_client_that_dawdles_is_cut_off() -> None:
    with serve(Health(), connection_seconds=0.2) as server, contextlib.closing(open_to(server)) as client:
        client.sendall(b"GET /livez HTTP/1.0\r\nX-Never-Ending: ")
        assert received(client) == b""
        assert get(server.port, "/livez")[0] == 200


def test_too_many_connections_are_turned_away_and_the_others_served() -> None:
    with serve(Health()) as server:
        with held(server, MAX_CONNECTIONS):
            wait_until(lambda: is_refused(server.port))
        wait_until(lambda: not is_refused(server.port))


def test_it_answers_while_the_process_is_busy() -> None:
    stop = threading.Event()
    busy = threading.Thread(target=lambda: [sum(range(1000)) for _ in iter(stop.is_set, True)])
    busy.start()
    try:
        with serve(Health()) as server:
            assert [get(server.port, path)[0] for path in ("/livez", "/readyz", "/metrics") * 5] == [200] * 15
    finally:
        stop.set()
        busy.join()


class BrokenCollector(Collector):
    """Raises when it is asked."""

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        raise RuntimeError("a measure cannot be had")


def test_a_measure_that_cannot_be_had_is_logged_and_health_goes_on() -> None:
    registry = CollectorRegistry()
    registry.register(BrokenCollector())
    fine = {"loop": lambda: None}
    with (
        structlog.testing.capture_logs() as logs,
        AdminServer(port=0, registry=registry, live=fine, ready=fine) as server,
    ):
        with contextlib.closing(open_to(server)) as client:
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert received(client) == b""
        assert get(server.port, "/livez")[0] == 200
    assert [line["event"] for line in logs] == ["admin_request_failed"]


def open_to(server: AdminServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def received(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


@contextlib.contextmanager
def held(server: AdminServer, connections: int) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for _ in range(connections):
            stack.enter_context(contextlib.closing(open_to(server)))
        yield


def is_refused(port: int) -> bool:
    try:
        return get(port, "/livez")[0] != 200
    except (http.client.HTTPException, OSError):
        return True


def test_a_port_in_use_is_a_wrong_configuration() -> None:
    with serve(Health()) as server, pytest.raises(ConfigurationError, match="admin_port"):
        serve(Health(), server.port)
