"""The stage loop over the real embedded bus and store, with a handler that does as told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pairmill.bus.port import Outgoing, TopicPartition
from pairmill.bus.sqlite import SqliteBus
from pairmill.bus.topics import create_topics
from pairmill.clock import SystemClock
from pairmill.errors import CutOffError, RetriableError
from pairmill.jobspec.profiles import profile
from pairmill.ledger.follower import JobFollower
from pairmill.stage.checkpoints import NoCheckpoints
from pairmill.stage.loop import LoopSettings, StageLoop
from pairmill.stage.messages import task_message
from pairmill.stage.observer import NullObserver
from pairmill.stage.port import UnitContext, UnitResult
from pairmill.stage.standing import LedgerRegistry
from pairmill.store.directory import DirectoryStore
from pairmill.units import DEAD_LETTERS_TOPIC, LEDGER_TOPIC
from pairmill_gateway.admission import Admission, admit
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.unit.v1.unit_pb2 import LedgerRecord, Stage, UnitTask

GROUP = "crawl-1"
TOPIC = "wat-tasks"
PASSED = (Outcome.OUTCOME_PASSED, Reason.REASON_UNSPECIFIED)


@dataclass(slots=True)
class ToyHandler:
    """Runs `work` for each unit; the self-test passes unless `ill`."""

    work: Callable[[UnitContext], UnitResult]
    stage: Stage.ValueType = Stage.STAGE_CRAWL
    ill: bool = False
    seen: list[str] = field(default_factory=list)

    def handle(self, context: UnitContext) -> UnitResult:
        self.seen.append(context.task.unit_id)
        return self.work(context)

    def self_test(self) -> None:
        if self.ill:
            raise RuntimeError("not well")

    def close(self) -> None:
        """Nothing to end."""


def one_row(context: UnitContext) -> UnitResult:
    ref = context.put(context.key("steps/toy", ".bin"), b"data", role="candidates", rows=1)
    return UnitResult(rows_in=1, tally={PASSED: 1}, outputs=[ref])


@dataclass(slots=True)
class Stack:
    """A bus, a store and an admitted job of some WATs."""

    bus: SqliteBus
    store: DirectoryStore
    admission: Admission
    scratch: Path

    @property
    def tasks(self) -> list[UnitTask]:
        return list(JobFollower(self.bus, self.store, self.admission.spec_ref).root.crawl_tasks(0))

    def publish(self, tasks: list[UnitTask]) -> None:
        self.bus.publish([task_message(self.bus, task, self.admission.spec) for task in tasks])

    def ledger(self) -> list[LedgerRecord]:
        messages = self.bus.read(TopicPartition(LEDGER_TOPIC, 0), start=0, max_records=1000)
        return [LedgerRecord.FromString(message.value) for message in messages]

    def lag(self) -> int:
        sources = [TopicPartition(TOPIC, part) for part in range(self.bus.partitions(TOPIC))]
        return sum(
            self.bus.end_offset(source) - (self.bus.committed(GROUP, source) or 0) for source in sources
        )

    def loop(self, handler: ToyHandler, member: str = "a", **settings: float) -> StageLoop:
        return StageLoop(
            LoopSettings(
                group=GROUP,
                topics=(TOPIC,),
                member=member,
                scratch=self.scratch / member,
                poll_seconds=0.02,
                **settings,  # type: ignore[arg-type] # floats for the fields that take them
            ),
            handler,
            bus=self.bus,
            store=self.store,
            registry=LedgerRegistry(self.bus, self.store),
            clock=SystemClock(),
            observer=NullObserver(),
            checkpoints=NoCheckpoints(),
        )


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    admission = admit(profile("everything"), tuple(f"/wat-{number}" for number in range(12)))
    with (
        SqliteBus(tmp_path / "bus.db", session_seconds=1.0) as bus,
        DirectoryStore(tmp_path / "out") as store,
    ):
        create_topics(bus, 4)
        for key, data in admission.objects.items():
            store.put(key, data)
        yield Stack(bus, store, admission, tmp_path / "scratch")


@contextmanager
def running(loop: StageLoop) -> Iterator[StageLoop]:
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield loop
    finally:
        loop.request_stop()
        thread.join(20)
        assert not thread.is_alive()


def wait_until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come about in time"
        pause.wait(0.02)


def test_each_unit_has_one_record_and_all_offsets_are_committed(stack: Stack) -> None:
    stack.publish(stack.tasks)
    handler = ToyHandler(one_row)
    with running(stack.loop(handler)):
        wait_until(lambda: stack.lag() == 0)
    records = [record.done for record in stack.ledger()]
    assert sorted(record.unit_id for record in records) == sorted(task.unit_id for task in stack.tasks)
    for record in records:
        ref = record.outputs.inline[0]
        assert record.attempt in ref.key
        assert stack.store.get(ref.key, sha256=ref.sha256) == b"data"
    assert not list(stack.scratch.glob("*/*")), "scratch folders are removed"


def test_a10_repeated_tasks_are_committed_without_work(stack: Stack) -> None:
    for _ in range(5):
        stack.publish(stack.tasks)
    handler = ToyHandler(one_row)
    with running(stack.loop(handler, units_in_flight=1)):
        wait_until(lambda: stack.lag() == 0)
    assert len(handler.seen) == 12


def test_a6_poison_becomes_a_dead_letter_and_the_next_message_is_worked_on(stack: Stack) -> None:
    good = task_message(stack.bus, stack.tasks[0], stack.admission.spec)
    truncated = Outgoing(
        topic=good.topic,
        partition=good.partition,
        key=good.key,
        value=good.value[:20],
        headers=good.headers,
    )
    garbage = Outgoing(topic=TOPIC, partition=good.partition, key=b"?", value=b"\xff\xfe garbage")
    later = Outgoing(
        topic=TOPIC,
        partition=good.partition,
        key=good.key,
        value=good.value,
        headers=(("pairmill-schema", b"unit-task/99"),),
    )
    stack.bus.publish([truncated, garbage, later, good])
    with running(stack.loop(ToyHandler(one_row))):
        wait_until(lambda: stack.lag() == 0)
    letters = [
        message
        for part in range(stack.bus.partitions(DEAD_LETTERS_TOPIC))
        for message in stack.bus.read(TopicPartition(DEAD_LETTERS_TOPIC, part), start=0, max_records=10)
    ]
    assert sorted(letter.value for letter in letters) == sorted([truncated.value, garbage.value, later.value])
    facts = dict(letters[0].headers)
    assert facts["dlq-topic"] == TOPIC.encode()
    assert facts["dlq-reason"] == b"invalid_record"
    kinds = [str(record.WhichOneof("record")) for record in stack.ledger()]
    assert sorted(kinds) == ["done", "failed"], "the damaged task's headers named its unit"


def test_a_unit_that_raises_is_recorded_as_failed(stack: Stack) -> None:
    def work(context: UnitContext) -> UnitResult:
        raise ZeroDivisionError(context.task.unit_id)

    stack.publish(stack.tasks[:1])
    with running(stack.loop(ToyHandler(work))):
        wait_until(lambda: stack.lag() == 0)
    assert stack.ledger()[0].failed.error_class == "ZeroDivisionError"


def test_a8_nothing_is_closed_while_the_self_test_fails(stack: Stack) -> None:
    handler = ToyHandler(one_row, ill=True)

    def work(context: UnitContext) -> UnitResult:
        if handler.ill:
            raise RuntimeError("model missing")
        return one_row(context)

    handler.work = work
    stack.publish(stack.tasks[:3])
    with running(stack.loop(handler)) as loop:
        wait_until(lambda: "breaker" in (loop.is_ready() or ""))
        assert loop.is_live() is None
        assert stack.ledger() == []
        handler.ill = False
        wait_until(lambda: stack.lag() == 0)
        assert loop.is_ready() is None
    assert [record.WhichOneof("record") for record in stack.ledger()] == ["done"] * 3


def test_a17_an_environment_that_does_not_allow_work_is_waited_out(stack: Stack) -> None:
    tries: list[int] = []

    def work(context: UnitContext) -> UnitResult:
        tries.append(1)
        if len(tries) < 3:
            raise RetriableError("store away")
        return one_row(context)

    stack.publish(stack.tasks[:1])
    with running(stack.loop(ToyHandler(work))):
        wait_until(lambda: stack.lag() == 0)
    assert [record.WhichOneof("record") for record in stack.ledger()] == ["done"]
    assert len(tries) == 3


def test_an_embedded_stage_gives_up_with_the_reason(stack: Stack) -> None:
    def work(context: UnitContext) -> UnitResult:
        raise RetriableError("no space left")

    stack.publish(stack.tasks[:1])
    loop = stack.loop(ToyHandler(work), give_up_seconds=0.5)
    assert loop.run() == 3
    assert "no space left" in loop.gave_up
    assert stack.ledger() == []


def test_a3_a_stop_cuts_off_and_leaves_unfinished_units_uncommitted(stack: Stack) -> None:
    started = threading.Event()

    def work(context: UnitContext) -> UnitResult:
        started.set()
        context.cut_off.wait(10)
        raise CutOffError

    stack.publish(stack.tasks[:2])
    with running(stack.loop(ToyHandler(work))):
        assert started.wait(10)
    assert stack.ledger() == []
    assert stack.lag() == 2
    with running(stack.loop(ToyHandler(one_row))):
        wait_until(lambda: stack.lag() == 0)


def test_a4_units_of_a_lost_partition_are_cut_off_when_a_member_joins(stack: Stack) -> None:
    cut: list[str] = []

    def slow(context: UnitContext) -> UnitResult:
        if context.cut_off.wait(2.0):
            cut.append(context.task.unit_id)
            raise CutOffError
        return one_row(context)

    stack.publish(stack.tasks)
    with running(stack.loop(ToyHandler(slow), "a", units_in_flight=12)) as first:
        wait_until(lambda: first.is_live() is None and len(list(stack.scratch.glob("a/*"))) == 12)
        with running(stack.loop(ToyHandler(one_row), "b")):
            wait_until(lambda: stack.lag() == 0)
    counted = JobFollower(stack.bus, stack.store, stack.admission.spec_ref)
    counted.catch_up()
    assert sum(1 for _ in counted.walk.open_units()) == 8, "only the plan units are left"
    assert cut, "the second member took partitions over"


def test_a14_offsets_reset_to_the_start_repeat_nothing_that_counts(stack: Stack) -> None:
    stack.publish(stack.tasks)
    with running(stack.loop(ToyHandler(one_row))):
        wait_until(lambda: stack.lag() == 0)
    before = len(stack.ledger())
    stack.bus.reset_offsets(GROUP, TOPIC, to_end=False)
    assert stack.lag() == 12
    handler = ToyHandler(one_row)
    with running(stack.loop(handler)):
        wait_until(lambda: stack.lag() == 0)
    assert handler.seen == []
    assert len(stack.ledger()) == before
