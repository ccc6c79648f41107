"""Open units whose tasks got lost are published again, and only those (U5)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairmill.bus.port import TopicPartition
from pairmill.bus.sqlite import SqliteBus
from pairmill.bus.topics import create_topics
from pairmill.errors import RetriableError
from pairmill.groups import group_of_job
from pairmill.ledger.root import JobRoot
from pairmill.stage.messages import task_message
from pairmill_gateway.driver import JobDriver
from pairmill_gateway.healing import Healer
from pairmill_protos.unit.v1.unit_pb2 import Stage, UnitTask
from tests.fakes.bus import MemoryBus
from tests.fakes.clock import ManualClock
from tests.fakes.driven_job import new_job
from tests.fakes.ledger import toy_root

TOPIC = "wat-tasks"
PATIENCE = 30.0


class Open:
    """Units that are open. Counts how often it is asked."""

    def __init__(self, *tasks: UnitTask) -> None:
        self._tasks = {task.unit_id: task for task in tasks}
        self.asked = 0

    def close(self, unit_id: str) -> None:
        self._tasks.pop(unit_id, None)

    def is_open(self, unit_id: str) -> bool:
        self.asked += 1
        return unit_id in self._tasks

    def open_task(self, unit_id: str) -> UnitTask | None:
        return self._tasks.get(unit_id)


class Watched:
    """A job of one WAT whose task was published and noted."""

    def __init__(self) -> None:
        self.bus = MemoryBus()
        create_topics(self.bus, 4)
        self.root: JobRoot = toy_root(1, 1, 1)
        self.clock = ManualClock()
        self.healer = Healer(self.bus, self.root.spec, self.clock, PATIENCE)
        self.task: UnitTask = next(self.root.crawl_tasks(0))
        self.group = group_of_job(Stage.STAGE_CRAWL, self.root.spec)
        message = task_message(self.bus, self.task, self.root.spec)
        self.source = TopicPartition(message.topic, message.partition)
        self.bus.publish([message])
        self.healer.note(self.task)

    def commit_to_the_end(self) -> None:
        self.bus.reset_offsets(self.group, TOPIC, to_end=True)

    def trim(self) -> None:
        self.bus.trim(self.source, self.bus.end_offset(self.source))

    def make_anew(self) -> None:
        self.bus.delete_topic(TOPIC)
        self.bus.create_topic(TOPIC, 4)

    def make_anew_and_fill(self) -> None:
        self.make_anew()
        for _ in range(3):
            self.bus.publish([task_message(self.bus, self.task, self.root.spec)])

    def delete_group_and_trim(self) -> None:
        self.commit_to_the_end()
        self.bus.delete_group(self.group)
        self.trim()

    def lost_after(self, seconds: float) -> bool:
        self.clock.sleep(seconds)
        return bool(self.healer.lost(Open(self.task)))


LOSSES: dict[str, Callable[[Watched], None]] = {
    "committed_past_it": Watched.commit_to_the_end,
    "records_gone_unread": Watched.trim,
    "topic_made_anew": Watched.make_anew,
    "topic_made_anew_and_longer": Watched.make_anew_and_fill,
    "group_deleted_and_records_gone": Watched.delete_group_and_trim,
}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_a13_a14_a_lost_task_is_found_after_the_wait(lose: Callable[[Watched], None]) -> None:
    watched = Watched()
    lose(watched)
    assert not watched.lost_after(PATIENCE - 1)
    assert watched.lost_after(1)


def test_a14_a_deleted_group_alone_loses_nothing() -> None:
    watched = Watched()
    watched.commit_to_the_end()
    watched.bus.delete_group(watched.group)
    assert not watched.lost_after(100 * PATIENCE)


def test_a13_a_task_that_waits_its_turn_is_not_doubled() -> None:
    assert not Watched().lost_after(1000 * PATIENCE)


def test_u5_a_sign_of_life_starts_the_wait_anew() -> None:
    watched = Watched()
    watched.commit_to_the_end()
    watched.clock.sleep(PATIENCE - 1)
    watched.healer.sign_of_life(watched.task.unit_id)
    assert not watched.lost_after(PATIENCE - 1)
    assert watched.lost_after(1)


def test_u5_the_wait_doubles_with_each_time() -> None:
    watched = Watched()
    watched.commit_to_the_end()
    for doublings in range(3):
        assert not watched.lost_after(PATIENCE * 2**doublings - 1)
        assert watched.lost_after(1)
        watched.healer.note(watched.task)


def test_u5_a_closed_unit_is_forgotten() -> None:
    watched = Watched()
    watched.commit_to_the_end()
    watched.clock.sleep(PATIENCE)
    assert watched.healer.lost(Open()) == []
    assert watched.healer.lost(Open(watched.task)) == []


class CountingBus(MemoryBus):
    """Counts how often it is asked how far a group has read."""

    asked = 0

    def committed(self, group: str, source: TopicPartition) -> int | None:
        self.asked += 1
        return super().committed(group, source)


def test_u5_the_bus_is_asked_for_partitions_and_not_for_each_unit_that_waits() -> None:
    bus, clock, root = CountingBus(), ManualClock(), toy_root(100, 100, 1)
    create_topics(bus, 4)
    healer, tasks = Healer(bus, root.spec, clock, PATIENCE), list(root.crawl_tasks(0))
    for task in tasks:
        bus.publish([task_message(bus, task, root.spec)])
        healer.note(task)
    clock.sleep(PATIENCE)
    assert healer.lost(Open(*tasks)) == []
    assert bus.asked == 4
    bus.reset_offsets(group_of_job(Stage.STAGE_CRAWL, root.spec), TOPIC, to_end=True)
    assert healer.lost(Open(*tasks)) == tasks, "each look asks anew"


def test_u5_a_look_costs_nothing_for_units_that_wait_their_turn() -> None:
    bus, clock, root = MemoryBus(), ManualClock(), toy_root(1000, 1000, 1)
    create_topics(bus, 4)
    healer, tasks = Healer(bus, root.spec, clock, PATIENCE), list(root.crawl_tasks(0))
    for task in tasks:
        bus.publish([task_message(bus, task, root.spec)])
        healer.note(task)
    clock.sleep(PATIENCE)
    units = Open(*tasks)
    assert healer.lost(units) == []
    assert units.asked == 1000, "each was asked for when it fell due"
    for _ in range(100):
        assert healer.lost(units) == []
    assert units.asked == 1000


class PlainHealer:
    """What is to be healed, by looking at every unit each time."""

    def __init__(self, bus: MemoryBus, clock: ManualClock) -> None:
        self.bus, self.clock = bus, clock
        self.marks: dict[str, tuple[int, str]] = {}
        self.quiet_since: dict[str, float] = {}
        self.patience: dict[str, float] = {}

    def note(self, task: UnitTask, source: TopicPartition) -> None:
        name = task.unit_id
        self.patience[name] = 2 * self.patience[name] if name in self.patience else PATIENCE
        self.marks[name] = (self.bus.end_offset(source), self.bus.topic_epoch(TOPIC))
        self.quiet_since[name] = self.clock.monotonic()

    def is_lost(self, task: UnitTask, source: TopicPartition, group: str) -> bool:
        name = task.unit_id
        if name not in self.marks or self.clock.monotonic() - self.quiet_since[name] < self.patience[name]:
            return False
        offset, epoch = self.marks[name]
        committed = self.bus.committed(group, source) or 0
        unread = self.bus.read(source, start=committed, max_records=1)
        end = self.bus.end_offset(source)
        if committed >= offset or end < offset or epoch != self.bus.topic_epoch(TOPIC):
            return True
        return not unread or unread[0].offset >= offset


class TwoHealers:
    """The same happens to both."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.bus, self.clock, self.root = MemoryBus(), ManualClock(), toy_root(12, 12, 1)
        create_topics(self.bus, 2)
        self.healer = Healer(self.bus, self.root.spec, self.clock, PATIENCE)
        self.plain = PlainHealer(self.bus, self.clock)
        self.group = group_of_job(Stage.STAGE_CRAWL, self.root.spec)
        self.tasks = list(self.root.crawl_tasks(0))
        self.units = Open(*self.tasks)

    def source(self, task: UnitTask) -> TopicPartition:
        message = task_message(self.bus, task, self.root.spec)
        return TopicPartition(message.topic, message.partition)

    def publish(self, task: UnitTask) -> None:
        self.bus.publish([task_message(self.bus, task, self.root.spec)])
        self.healer.note(task)
        self.plain.note(task, self.source(task))

    def happen(self) -> None:
        task = self.draw.choice(self.tasks)
        source = self.source(task)
        match self.draw.randrange(9):
            case 0 | 1 | 2:
                self.publish(task)
            case 3:
                self.units.close(task.unit_id)
            case 4:
                self.healer.sign_of_life(task.unit_id)
                self.plain.quiet_since[task.unit_id] = self.clock.monotonic()
            case 5:
                self.bus.offsets[self.group, source] = self.draw.randint(0, self.bus.end_offset(source))
            case 6:
                self.bus.trim(source, self.draw.randint(0, self.bus.end_offset(source)))
            case 7:
                if self.draw.random() < 0.2:
                    self.bus.delete_topic(TOPIC)
                    self.bus.create_topic(TOPIC, 2)
            case _:
                self.clock.sleep(self.draw.choice((1, PATIENCE / 2, PATIENCE, 3 * PATIENCE)))


@given(seed=st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_u5_a13_a14_a_unit_is_lost_whichever_way_one_looks(seed: int) -> None:
    both = TwoHealers(seed)
    for _ in range(120):
        both.happen()
        found = {task.unit_id for task in both.healer.lost(both.units)}
        open_tasks = [task for task in both.tasks if both.units.open_task(task.unit_id) is not None]
        assert found == {
            task.unit_id for task in open_tasks if both.plain.is_lost(task, both.source(task), both.group)
        }


class FlakyBus(SqliteBus):
    """Fails at every third question for an end offset."""

    asked = 0

    def end_offset(self, source: TopicPartition) -> int:
        self.asked += 1
        if self.asked % 3 == 0:
            raise RetriableError("the bus is away")
        return super().end_offset(source)


def keep_stepping(driver: JobDriver) -> int:
    """Steps once; returns how often the bus was away meanwhile."""
    away = 0
    while True:
        try:
            driver.step()
        except RetriableError:
            away += 1
            continue
        return away


def test_a9_a_gateway_whose_bus_comes_and_goes_loses_no_unit(tmp_path: Path) -> None:
    with new_job(tmp_path) as job, FlakyBus(tmp_path / "state" / "bus.db") as flaky:
        driver, away = replace(job, bus=flaky).driver(), 0
        for _ in range(200):
            away += keep_stepping(driver)
            if driver.ended is not None:
                break
            job.stages.step()
            job.clock.sleep(0.1)  # too little for healing to cover anything up
        assert driver.ended is not None
        assert driver.ended.state == "complete"
        assert away > 5
