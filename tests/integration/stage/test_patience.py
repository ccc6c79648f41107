"""How often a loop looks: not while nothing can be news, and on time where something is due."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pairmill.bus.port import Message
from pairmill.bus.sqlite import SqliteBus
from pairmill.bus.sqlite_consumer import SqliteConsumer
from pairmill.clock import SystemClock
from pairmill.errors import RetriableError
from pairmill.stage.breaker import Backoff
from pairmill.stage.hand import Due, UnitInHand
from pairmill.stage.port import UnitContext, UnitResult
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import UnitTask
from tests.fakes.clock import ManualClock
from tests.fakes.processes import wait_until
from tests.fakes.stage import Stack, ToyHandler, one_row, open_stack, running


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with open_stack(tmp_path) as stack:
        yield stack


@dataclass
class CountingBus:
    """Keeps for how long each poll was allowed to wait."""

    behind: SqliteBus
    waits: list[float] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)

    def consumer(self, *, group: str, topics: Sequence[str], member: str) -> SqliteConsumer:
        consumer = self.behind.consumer(group=group, topics=topics, member=member)
        return _Counting(consumer, self.waits)  # type: ignore[return-value] # it stands in for one


class _Counting:
    def __init__(self, behind: SqliteConsumer, waits: list[float]) -> None:
        self._behind, self._waits = behind, waits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)

    def __enter__(self) -> _Counting:
        return self

    def __exit__(self, *_: object) -> None:
        self._behind.close()

    def poll(self, *, max_records: int, timeout_seconds: float) -> Sequence[Message]:
        self._waits.append(timeout_seconds)
        return self._behind.poll(max_records=max_records, timeout_seconds=timeout_seconds)


def test_a_loop_without_work_looks_rarely(stack: Stack) -> None:
    bus = CountingBus(stack.bus)
    with running(stack.loop(ToyHandler(one_row), bus=bus, poll_seconds=0.05)) as loop:
        wait_until(lambda: loop.is_ready() is None)
        begun, start = len(bus.waits), time.monotonic()
        wait_until(lambda: len(bus.waits) >= begun + 2)
        assert time.monotonic() - start > 1.0


def test_a_commit_that_was_put_off_is_made_without_other_news(stack: Stack) -> None:
    with running(stack.loop(ToyHandler(one_row), calm_seconds=600.0, most_silence_seconds=1200.0)):
        stack.publish(stack.tasks[:1])
        wait_until(lambda: len(stack.ledger()) == 1)
        stack.publish(stack.tasks[1:2])
        wait_until(lambda: len(stack.ledger()) == 2 and stack.lag() == 0)


def test_a_unit_that_waits_for_the_environment_is_tried_again_on_time(stack: Stack) -> None:
    tries: list[float] = []

    def work(context: UnitContext) -> UnitResult:
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise RetriableError("not now")
        return one_row(context)

    stack.publish(stack.tasks[:1])
    with running(stack.loop(ToyHandler(work), calm_seconds=600.0, most_silence_seconds=1200.0)):
        wait_until(lambda: len(stack.ledger()) == 1)
    assert tries[2] - tries[0] < 5


def test_u9_a_unit_starts_when_its_round_is_due_by_either_clock() -> None:
    clock = ManualClock()
    due = Due(at=clock.now() + timedelta(seconds=30), monotonic=clock.monotonic() + 40)
    unit = UnitInHand(
        message=Message(
            topic="t", partition=0, offset=0, key=b"", value=b"", appended_at=SystemClock().now()
        ),
        task=UnitTask(),
        spec=JobSpec(),
        due=due,
        backoff=Backoff(clock, draw=lambda: 1.0),
    )
    assert unit.startable_in(clock.now(), clock.monotonic()) == 30
    assert unit.startable_in(clock.now() - timedelta(hours=1), clock.monotonic()) == 40
    assert unit.startable_in(clock.now() + timedelta(hours=1), clock.monotonic()) == 0
    for _ in range(8):
        unit.backoff.fail()
    assert unit.startable_in(clock.now() + timedelta(hours=1), clock.monotonic()) == 30
    clock.sleep(41)
    assert unit.startable_in(clock.now(), clock.monotonic()) == 0
