"""A stack is taken down by a call that knows it from its folder alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.commandline import main
from deploy.local.control import StackError, look, put_up, table, take_down
from deploy.local.layout import Layout
from deploy.local.stack import StackOptions
from deploy.local.state import Member, read_members, write_members
from tests.fakes.small_server import SmallServer


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    found = Layout(tmp_path / "stack")
    found.make()
    return found


@pytest.fixture
def servers(layout: Layout) -> Iterator[list[SmallServer]]:
    """A server, a service that stops at once and one that has to be killed; noted as a stack's."""
    made = [
        SmallServer(layout.data / "one"),
        SmallServer(layout.scratch / "two"),
        SmallServer(layout.scratch / "three", "deaf"),
    ]
    for server in made:
        server.start()
    write_members(layout.state, [_member(server, place > 0) for place, server in enumerate(made)])
    yield made
    for server in made:
        server.kill()


def _member(server: SmallServer, is_service: bool) -> Member:
    return Member(
        name=server.folder.name,
        pid=server.pid,
        started=server.running.started,
        address=server.address,
        ready_url=f"http://{server.address}/",
        log=str(server.log_path),
        stop_seconds=0.5,
        is_service=is_service,
    )


def test_a_stack_that_is_taken_down_leaves_logs_and_nothing_else(
    layout: Layout, servers: list[SmallServer]
) -> None:
    layout.log("one").write_text("what it said")
    said: list[str] = []
    assert take_down(layout, said.append)
    assert [server.alive for server in servers] == [False] * 3
    assert said == ["had to be killed: three"]
    assert sorted(path.name for path in layout.root.iterdir()) == ["lock", "logs"]
    assert layout.log("one").read_text() == "what it said"


def test_taking_down_what_is_not_there_says_so(tmp_path: Path) -> None:
    assert not take_down(Layout(tmp_path / "none"), print)


def test_each_process_is_shown_as_it_is(layout: Layout, servers: list[SmallServer]) -> None:
    servers[1].kill()
    servers[2].pause()
    assert [condition for _, condition in look(layout)] == ["ready", "ended", "not ready"]
    lines = table(look(layout)).splitlines()
    assert [line.split()[:2] for line in lines[1:3]] == [["one", "ready"], ["two", "ended"]]


def test_putting_up_a_stack_that_is_up_does_nothing(layout: Layout, servers: list[SmallServer]) -> None:
    assert put_up(layout, StackOptions(), print) is None
    assert all(server.alive for server in servers)


def test_a_broken_stack_is_not_put_up_over(layout: Layout, servers: list[SmallServer]) -> None:
    servers[1].kill()
    with pytest.raises(StackError, match="but two ended"):
        put_up(layout, StackOptions(), print)
    assert len(read_members(layout.state)) == 3


def test_what_a_stack_left_when_the_machine_stopped_is_no_obstacle(layout: Layout) -> None:
    for path in (layout.env, layout.state, layout.secrets / "old", layout.log("old")):
        path.write_text("[]")
    layout.make()
    assert sorted(path.name for path in layout.root.rglob("*")) == ["data", "logs", "scratch", "secrets"]


def test_the_command_says_how_a_stack_is(layout: Layout, servers: list[SmallServer]) -> None:
    folder = f"--folder={layout.root}"
    assert main([folder, "status"]) == 0
    servers[0].kill()
    assert main([folder, "status"]) == 1
    assert main([folder, "down"]) == 0
    assert main([folder, "status"]) == 1


@pytest.mark.parametrize(
    "wrong", ["downloader", "downloader=0", "downloader=many", "gatekeeper=1", "gateway=2"]
)
def test_numbers_of_members_that_make_no_sense_are_refused(
    wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([f"--folder={tmp_path}", "up", "--member", wrong])
    assert ended.value.code == 2
    assert wrong in capsys.readouterr().err
