"""A loop whose consumer stands still is told from one that has much to do, over a real bus."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import pytest

from pairmill.bus.port import Bus, Consumer, Message
from pairmill.bus.sqlite import SqliteBus
from pairmill.stage.port import UnitContext, UnitResult
from tests.fakes.clock import ManualClock
from tests.fakes.processes import wait_until
from tests.fakes.stage import Stack, ToyHandler, one_row, open_stack, running


class StuckConsumer(AbstractContextManager["StuckConsumer"]):
    """Stays in its group and delivers nothing until its bus is let go."""

    def __init__(self, behind: Consumer, bus: StuckBus) -> None:
        self._behind = behind
        self._bus = bus
        self._kept: list[Message] = []

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._behind.close()

    def poll(self, *, max_records: int, timeout_seconds: float) -> Sequence[Message]:
        self._bus.polls += 1
        self._kept += self._behind.poll(max_records=max_records, timeout_seconds=timeout_seconds)
        if self._bus.stuck:
            return []
        delivered, self._kept = self._kept, []
        return delivered

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)


class StuckBus:
    """A bus whose consumer is stuck, or not."""

    def __init__(self, behind: SqliteBus) -> None:
        self._behind = behind
        self.stuck = True
        self.polls = 0

    def consumer(self, *, group: str, topics: Sequence[str], member: str) -> StuckConsumer:
        return StuckConsumer(self._behind.consumer(group=group, topics=topics, member=member), self)

    def has_polled(self, times: int) -> bool:
        """Whether it was polled so often."""
        return self.polls >= times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with open_stack(tmp_path) as stack:
        yield stack


def let_pass(seconds: float, clock: ManualClock, bus: StuckBus) -> None:
    """Lets time pass, with the loop turning all the while."""
    for _ in range(int(seconds / 6)):
        wanted = bus.polls + 2
        clock.sleep(6)
        wait_until(partial(bus.has_polled, wanted))


def all_is_committed(stack: Stack, clock: ManualClock) -> bool:
    """Whether it is; lets a little time pass, for commits are made once in a while."""
    clock.sleep(0.1)
    return stack.lag() == 0


def test_a5_a_consumer_that_delivers_nothing_although_tasks_wait_is_not_live(stack: Stack) -> None:
    clock, bus = ManualClock(), StuckBus(stack.bus)
    stack.publish(stack.tasks)
    loop = stack.loop(ToyHandler(one_row), bus=cast("Bus", bus), clock=clock, max_silence_seconds=300.0)
    with running(loop):
        wait_until(lambda: loop.is_ready() is None)
        let_pass(240, clock, bus)
        assert loop.is_live() is None
        let_pass(120, clock, bus)
        assert "nothing was delivered of wat-tasks/" in str(loop.is_live())
        bus.stuck = False
        wait_until(partial(all_is_committed, stack, clock))
        let_pass(12, clock, bus)
        assert loop.is_live() is None


def test_a5_a_unit_that_takes_for_ever_is_no_standstill(stack: Stack) -> None:
    clock, bus, end = ManualClock(), StuckBus(stack.bus), threading.Event()
    bus.stuck = False

    def work(context: UnitContext) -> UnitResult:
        assert end.wait(60)
        return one_row(context)

    stack.publish(stack.tasks)
    loop = stack.loop(ToyHandler(work), bus=cast("Bus", bus), clock=clock, max_silence_seconds=300.0)
    with running(loop):
        wait_until(lambda: loop.held() > 0)
        let_pass(400, clock, bus)
        assert loop.is_live() is None
        end.set()
        wait_until(partial(all_is_committed, stack, clock))
