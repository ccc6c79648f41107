"""A stage among other groups and members, and when it is stopped."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pairmill.bus.port import TopicPartition
from pairmill.bus.sqlite import SqliteBus
from pairmill.bus.sqlite_consumer import SqliteConsumer
from pairmill.clock import SystemClock
from pairmill.errors import CutOffError, RetriableError
from pairmill.stage.messages import task_message
from pairmill.stage.port import UnitContext, UnitResult
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, UnitTask
from tests.fakes.processes import wait_until
from tests.fakes.stage import Stack, ToyHandler, one_row, open_stack, running

LONG = 1200.0


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with open_stack(tmp_path) as stack:
        yield stack


def test_the_end_of_a_unit_and_a_stop_end_a_poll(stack: Stack) -> None:
    stack.publish(stack.tasks[:4])
    with running(
        stack.loop(ToyHandler(one_row), units_in_flight=1, calm_seconds=LONG, most_silence_seconds=2 * LONG)
    ):
        wait_until(lambda: stack.lag() == 0)
    assert len(stack.ledger()) == 4


def test_a10_tasks_without_work_wait_for_no_poll(stack: Stack) -> None:
    for _ in range(5):
        stack.publish(stack.tasks)
    handler = ToyHandler(one_row)
    with running(stack.loop(handler, units_in_flight=1, calm_seconds=LONG, most_silence_seconds=2 * LONG)):
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


class HoldingHandler(ToyHandler):
    """Works until let go, and can say whether it may act as the owner of its partitions."""

    def __init__(self) -> None:
        super().__init__(self._wait)
        self.let_go, self.holds = threading.Event(), _never

    def hold_tenure(self, holds: Callable[[], bool]) -> None:
        self.holds = holds

    def _wait(self, context: UnitContext) -> UnitResult:
        while not (self.let_go.is_set() or context.cut_off.is_set()):
            self.let_go.wait(0.05)
        return one_row(context)


def _never() -> bool:
    return False


class JumpingClock(SystemClock):
    """Can be set ahead: as if the process had stood still."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class StubbornBus(SqliteBus):
    """Takes no commit while it is told not to."""

    takes_commits = True

    def consumer(self, *, group: str, topics: Sequence[str], member: str) -> SqliteConsumer:
        consumer = super().consumer(group=group, topics=topics, member=member)
        return _StubbornConsumer(self, consumer)  # type: ignore[return-value] # it stands in for one


class _StubbornConsumer:
    def __init__(self, bus: StubbornBus, behind: SqliteConsumer) -> None:
        self._bus, self._behind = bus, behind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)

    def __enter__(self) -> _StubbornConsumer:
        return self

    def __exit__(self, *_: object) -> None:
        self._behind.close()

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        if not self._bus.takes_commits:
            raise RetriableError("no commit now")
        self._behind.commit(offsets)


def test_u10_after_a_standstill_no_host_is_asked_until_a_commit_was_taken(
    stack: Stack, tmp_path: Path
) -> None:
    clock, handler = JumpingClock(), HoldingHandler()
    stack.publish(stack.tasks[:1])
    with (
        StubbornBus(tmp_path / "bus.db", session_seconds=1.0) as bus,
        running(stack.loop(handler, bus=bus, clock=clock)),
    ):
        wait_until(lambda: bool(handler.seen) and handler.holds())
        bus.takes_commits = False
        clock.ahead = 60.0
        wait_until(lambda: not handler.holds())
        wait_until(lambda: not handler.holds() and handler.seen == [stack.tasks[0].unit_id])
        bus.takes_commits = True
        wait_until(handler.holds)
        handler.let_go.set()
        wait_until(lambda: stack.lag() == 0)
