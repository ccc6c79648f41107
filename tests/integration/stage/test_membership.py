"""A stage among other groups and members, and when it is stopped."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pairmill.errors import CutOffError
from pairmill.stage.messages import task_message
from pairmill.stage.port import UnitContext, UnitResult
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, UnitTask
from tests.fakes.processes import wait_until
from tests.fakes.stage import Stack, ToyHandler, one_row, open_stack, running


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with open_stack(tmp_path) as stack:
        yield stack


def test_the_end_of_a_unit_and_a_stop_end_a_poll(stack: Stack) -> None:
    stack.publish(stack.tasks[:4])
    with running(stack.loop(ToyHandler(one_row), units_in_flight=1, poll_seconds=600.0)):
        wait_until(lambda: stack.lag() == 0)
    assert len(stack.ledger()) == 4


def test_a10_tasks_without_work_wait_for_no_poll(stack: Stack) -> None:
    for _ in range(5):
        stack.publish(stack.tasks)
    handler = ToyHandler(one_row)
    with running(stack.loop(handler, units_in_flight=1, poll_seconds=600.0)):
        wait_until(lambda: stack.lag() == 0)
    assert len(handler.seen) == 12


def admit_elsewhere(stack: Stack, rules_version: str) -> tuple[JobSpec, UnitTask]:
    """Returns the spec and first task of a job like the stack's, pinned to other rules."""
    spec = JobSpec.FromString(stack.admission.spec.SerializeToString())
    spec.rules_version = rules_version
    data = spec.SerializeToString(deterministic=True)
    stack.store.put("specs/elsewhere", data)
    task = UnitTask.FromString(stack.tasks[0].SerializeToString())
    task.spec.CopyFrom(
        ObjectRef(key="specs/elsewhere", sha256=hashlib.sha256(data).digest(), bytes=len(data))
    )
    return spec, task


def test_u17_a_task_of_another_groups_job_is_passed_over_without_work_or_answer(stack: Stack) -> None:
    spec, task = admit_elsewhere(stack, "99")
    stack.bus.publish([task_message(stack.bus, task, spec)])
    stack.publish(stack.tasks[1:])
    handler = ToyHandler(one_row)
    with running(stack.loop(handler)) as loop:
        wait_until(lambda: stack.lag() == 0)
        assert loop.is_ready() is None
    assert sorted(handler.seen) == sorted(task.unit_id for task in stack.tasks[1:])
    assert {record.done.unit_id for record in stack.ledger()} == set(handler.seen)


class ListeningHandler(ToyHandler):
    """Counts how often it gained partitions, and what it had worked on by then."""

    def __init__(self) -> None:
        super().__init__(one_row)
        self.gains: list[int] = []

    def partitions_gained(self) -> None:
        self.gains.append(len(self.seen))


def test_u10_a_handler_is_told_of_gained_partitions_before_work_on_them(stack: Stack) -> None:
    handler = ListeningHandler()
    with running(stack.loop(handler, "a")):
        wait_until(lambda: handler.gains == [0])
        with running(stack.loop(ToyHandler(one_row), "b")) as second:
            wait_until(lambda: second.is_ready() is None)
            stack.publish(stack.tasks)
            wait_until(lambda: stack.lag() == 0)
            assert handler.gains == [0], "to lose partitions is no gain"
        wait_until(lambda: len(handler.gains) == 2)


def test_u13_clean_stops_are_no_crashes(stack: Stack) -> None:
    stack.publish(stack.tasks[:1])
    for _ in range(4):
        started = threading.Event()

        def work(context: UnitContext, started: threading.Event = started) -> UnitResult:
            started.set()
            context.cut_off.wait(30)
            raise CutOffError

        with running(stack.loop(ToyHandler(work))):
            assert started.wait(30)
    isolated: list[bool] = []

    def last(context: UnitContext) -> UnitResult:
        isolated.append(context.isolated)
        return one_row(context)

    with running(stack.loop(ToyHandler(last))):
        wait_until(lambda: stack.lag() == 0)
    assert isolated == [False]
