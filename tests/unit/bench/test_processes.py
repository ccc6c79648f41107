"""What is seen of processes from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.bench.gateway_trace import GatewayTrace
from tests.bench.processes import Process, Trace, Watch, read_process, role_of

MEGABYTES = 60

HUNGRY = f"""
import subprocess, sys
if len(sys.argv) > 1:
    held = b"x" * {MEGABYTES * 10**6}
    print("ready", flush=True)
    sys.stdin.read()
else:
    child = subprocess.Popen([sys.executable, __file__, "child"])
    sys.exit(child.wait())
"""


def process(command: str) -> Process:
    return Process(pid=2, parent=1, command=command, cpu_seconds=0, private_bytes=0, peak_bytes=0)


@pytest.mark.parametrize(
    ("command", "parent", "role"),
    [
        ("python\0-m\0pairmill_planner\0", "supervisor", "planner"),
        ("python\0-m\0pairmill_standalone\0run\0", None, "supervisor"),
        ("python\0-c\0from multiprocessing.spawn import spawn_main\0", "crawler", "crawler child"),
        ("python\0-c\0spawn\0", "crawler child", "crawler child"),
        ("python\0bench.py\0", None, "own"),
    ],
)
def test_processes_are_named_for_their_service(command: str, parent: str | None, role: str) -> None:
    assert role_of(process(command), parent) == role


def test_a_watch_sees_the_memory_of_a_child_apart_from_its_parents(tmp_path: Path) -> None:
    script = tmp_path / "hungry.py"
    script.write_text(HUNGRY)
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        with Watch(parent.pid) as watch:
            pass
        parent.communicate()
    roles = watch.by_role()
    assert set(roles) == {"own", "own child"}
    assert roles["own child"].private_bytes >= MEGABYTES * 10**6 > roles["own"].private_bytes
    assert roles["own child"].peak_bytes >= roles["own child"].private_bytes


def test_a_service_that_has_ended_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "pairmill_planner.py").write_text("import sys; print('up', flush=True); sys.stdin.read()")
    planner = subprocess.Popen(
        [sys.executable, "-m", "pairmill_planner"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert planner.stdin is not None
    assert planner.stdout is not None
    assert planner.stdout.readline() == "up\n"
    seen = threading.Event()
    with Watch(planner.pid, notice=lambda traces: seen.set()) as watch:
        assert seen.wait(10)
        planner.stdin.close()
        planner.stdout.read()
        os.waitid(os.P_PID, planner.pid, os.WEXITED | os.WNOWAIT)  # it stays, without a command
    planner.stdout.close()
    planner.wait()
    assert set(watch.by_role()) == {"planner"}


def test_a_process_that_is_gone_is_none() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    assert read_process(ended.pid) is None


def test_a_gateways_start_ends_with_its_first_status(tmp_path: Path) -> None:
    status = tmp_path / "status.json"
    trace = GatewayTrace(status)
    trace.note({1: Trace(role="supervisor", cpu_seconds=9.0)})
    trace.note({1: Trace(role="gateway", cpu_seconds=1.0)})
    status.touch()
    for cpu_seconds in (1.5, 2.0, 4.0):
        children = Trace(role="gateway child", cpu_seconds=7.0)
        trace.note({1: Trace(role="gateway", cpu_seconds=cpu_seconds), 2: children})
    assert trace.start_cpu == 1.0
    assert trace.cpu == 4.0
