"""Services as child processes: restarted, given up, stopped."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pairmill.clock import SystemClock
from pairmill_standalone.supervisor import ChildSpec, Supervisor
from tests.conftest import REPOSITORY
from tests.fakes.processes import wait_until

MODULE = "tests.fakes.services"

NewSupervisor = Callable[..., Supervisor]


@pytest.fixture
def new_supervisor(tmp_path: Path) -> Iterator[NewSupervisor]:
    """Makes supervisors whose children are ended with the test."""
    made: list[Supervisor] = []

    def new(first: dict[str, str] | None = None, **behaviours: str) -> Supervisor:
        env = {"FAKE_STARTS": str(tmp_path / "starts"), "PYTHONPATH": str(REPOSITORY)}
        children = [
            ChildSpec(name=name, module=MODULE, env={**env, "FAKE": behaviour}, first_env=first or {})
            for name, behaviour in behaviours.items()
        ]
        made.append(Supervisor(children, base_env=os.environ, logs=tmp_path / "logs", clock=SystemClock()))
        return made[-1]

    yield new
    for supervisor in made:
        supervisor.kill()


def _until(supervisor: Supervisor, happened: Callable[[], bool]) -> None:
    def watched() -> bool:
        supervisor.watch()
        return happened()

    wait_until(watched)


def test_a1_a_child_that_died_is_started_again(new_supervisor: NewSupervisor, tmp_path: Path) -> None:
    supervisor = new_supervisor(first={"FAKE": "die"}, one="serve")
    _until(supervisor, lambda: _starts(tmp_path) == "ds")
    assert supervisor.restarts == 1
    assert not supervisor.error


def test_a_crash_loop_ends_with_a_clear_error(new_supervisor: NewSupervisor, tmp_path: Path) -> None:
    supervisor = new_supervisor(one="die")
    _until(supervisor, lambda: bool(supervisor.error))
    assert "one died 5 times in a row" in supervisor.error
    assert _starts(tmp_path) == "ddddd"


@pytest.mark.parametrize("behaviour", ["give_up", "wrong"])
def test_a8_a_stage_that_gives_up_ends_the_run_with_its_reason(
    new_supervisor: NewSupervisor, tmp_path: Path, behaviour: str
) -> None:
    supervisor = new_supervisor(one=behaviour)
    _until(supervisor, lambda: bool(supervisor.error))
    assert supervisor.error == "one: the model does not load"
    assert len(_starts(tmp_path)) == 1


def test_a_child_that_ended_well_stays_ended(new_supervisor: NewSupervisor, tmp_path: Path) -> None:
    supervisor = new_supervisor(one="end", two="serve")
    _until(supervisor, lambda: supervisor.has_ended("one"))
    supervisor.watch()
    assert not supervisor.has_ended("two")
    assert list(supervisor.pids()) == ["two"]


def test_a3_children_end_at_sigterm_and_the_stubborn_are_killed(
    new_supervisor: NewSupervisor, tmp_path: Path
) -> None:
    supervisor = new_supervisor(one="serve", two="stubborn")
    _until(supervisor, lambda: len(_starts(tmp_path)) == 2)
    pids = list(supervisor.pids().values())
    supervisor.stop(grace_seconds=1.0)
    assert not supervisor.any_alive()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def _starts(folder: Path) -> str:
    path = folder / "starts"
    return path.read_text() if path.exists() else ""
