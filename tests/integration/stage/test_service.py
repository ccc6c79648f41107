"""A stage's process from outside: readiness, and what it says at its end."""

from __future__ import annotations

import json
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pairmill.service import peak_memory_bytes
from tests.fakes.processes import Child, wait_until
from tests.fakes.service import BURNT_SECONDS
from tests.fakes.stage import Stack, open_stack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with open_stack(tmp_path) as stack:
        yield stack


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def readiness(port: int) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as refusal:
        with refusal:
            return dict(json.load(refusal))
    except urllib.error.URLError:
        return {"ok": False}


def test_a_stage_is_ready_when_loop_bus_and_store_are(stack: Stack, tmp_path: Path) -> None:
    port = free_port()
    stack.publish(stack.tasks[:1])
    with Child("tests.fakes.service", tmp_path, str(port)) as child:
        wait_until(lambda: stack.lag() == 0)
        assert readiness(port) == {"ok": True, "checks": {"loop": "ok", "bus": "ok", "store": "ok"}}
        child.signal(signal.SIGTERM)
        assert child.wait() == 0


def test_the_last_words_count_children_that_the_handler_ended(stack: Stack, tmp_path: Path) -> None:
    with Child("tests.fakes.service", tmp_path, "0") as child:
        wait_until(lambda: any("partitions_assigned" in line for line in child.lines))
        child.signal(signal.SIGTERM)
        assert child.wait() == 0
        *_, closed, stopped = [json.loads(line) for line in child.lines]
    assert closed["event"] == "handler_closed"
    assert stopped["event"] == "service_stopped"
    assert stopped["cpu_seconds"] >= BURNT_SECONDS + stopped["protocol_cpu_seconds"]
    assert 10e6 < stopped["peak_memory_bytes"] < 1e9


def test_peak_memory_is_that_of_the_program_itself(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmPeak:\t  90000 kB\nVmHWM:\t   12345 kB\nVmRSS:\t 1000 kB\n")
    assert peak_memory_bytes(status) == 12345 * 1024
    assert peak_memory_bytes(tmp_path / "none") > 0
