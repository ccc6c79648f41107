"""The whole system comes up on this machine, and goes without a trace but its logs."""

from __future__ import annotations

import json
import os
import signal
import stat
import urllib.request
from collections import Counter
from collections.abc import Iterator

import psutil
import pytest

from deploy.local.commandline import main
from deploy.local.commands import python_module, run
from deploy.local.control import look, put_up
from deploy.local.errors import MissingToolError
from deploy.local.http_ready import answers
from deploy.local.layout import Layout
from deploy.local.ports import is_free
from deploy.local.settings import read_command_env
from deploy.local.stack import StackOptions
from pairmill_standalone.docs.settings import SERVICES
from tests.fakes.processes import wait_until
from tests.fakes.provided import lacking

ONE_OF_EACH = StackOptions(members={}, partitions=2)  # leashed to this process: nothing stays if it dies


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    """A stack that is up."""
    found = Layout(tmp_path_factory.mktemp("stack"))
    try:
        stack = put_up(found, ONE_OF_EACH, print)
    except MissingToolError as error:
        lacking(error.what, error.remedy)
    assert stack is not None
    yield found
    stack.down()


def _processes(layout: Layout) -> list[psutil.Process]:
    """Returns the members and all their descendants."""
    members = [psutil.Process(member.pid) for member, _ in look(layout)]
    return [*members, *(child for member in members for child in member.children(recursive=True))]


def test_everything_is_ready_and_once_more_changes_nothing(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = f"--folder={layout.root}"
    before = [member.pid for member, _ in look(layout)]
    assert main([folder, "up"]) == 0
    assert "the stack was up already" in capsys.readouterr().out
    assert main([folder, "status"]) == 0
    assert [member.pid for member, _ in look(layout)] == before


def test_secrets_are_for_the_owner_alone(layout: Layout) -> None:
    assert stat.S_IMODE(layout.secrets.stat().st_mode) == 0o700
    files = [*layout.secrets.iterdir(), layout.env]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_its_variables_let_the_command_line_in(layout: Layout) -> None:
    env = read_command_env(layout.env)
    listed = run(python_module("pairmill_standalone", "job", "list"), env=env)
    assert "no jobs" in listed
    run(python_module("pairmill_standalone", "topics", "check"), env=env)


def test_prometheus_finds_every_service_and_triton(layout: Layout) -> None:
    prometheus = next(member for member, _ in look(layout) if member.name == "prometheus")
    wait_until(lambda: _seen_up(prometheus.address) == {**dict.fromkeys(SERVICES, 1), "triton": 1})


def test_a_service_that_dies_is_seen_and_nothing_is_left_in_the_end(
    layout: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = f"--folder={layout.root}"
    members = [member for member, _ in look(layout)]
    processes = _processes(layout)
    planner = next(member for member in members if member.name == "planner-0")
    os.kill(planner.pid, signal.SIGKILL)
    wait_until(lambda: _condition(layout, "planner-0") == "ended")
    assert main([folder, "status"]) == 1
    assert ["planner-0", "ended"] in [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert main([folder, "down"]) == 0
    wait_until(lambda: not any(_alive(process) for process in processes))
    assert all(is_free(int(member.address.rpartition(":")[2])) for member in members)
    assert sorted(path.name for path in layout.root.iterdir()) == ["lock", "logs"]
    assert {f"{member.name}.log" for member in members} <= {path.name for path in layout.logs.iterdir()}
    assert not any(answers(member.ready_url) for member in members if member.ready_url)


def _condition(layout: Layout, name: str) -> str:
    return next(condition for member, condition in look(layout) if member.name == name)


def _seen_up(prometheus: str) -> dict[str, int]:
    """Returns how many processes of each service Prometheus reaches."""
    with urllib.request.urlopen(f"http://{prometheus}/api/v1/query?query=up==1", timeout=5) as answer:
        found = json.load(answer)["data"]["result"]
    return dict(Counter(series["metric"]["service"] for series in found))


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
