"""The admin port over real sockets."""

from __future__ import annotations

import http.client
import json

import pytest
from prometheus_client import CollectorRegistry

from pairmill.errors import ConfigurationError
from pairmill.telemetry.admin import AdminServer
from pairmill.telemetry.metrics import StageMetrics


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
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


def serve(health: Health, port: int = 0) -> AdminServer:
    registry = CollectorRegistry()
    StageMetrics(registry, service="crawler")
    return AdminServer(
        port=port, registry=registry, live={"loop": health.is_live}, ready={"loop": health.is_ready}
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


def test_a_port_in_use_is_a_wrong_configuration() -> None:
    with serve(Health()) as server, pytest.raises(ConfigurationError, match="admin_port"):
        serve(Health(), server.port)
