"""The stage loop over the real embedded bus and store, with a handler that does as told."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pairmill.bus.port import Outgoing, TopicPartition
from pairmill.clock import SystemClock
from pairmill.errors import CutOffError, RetriableError
from pairmill.ledger.follower import JobFollower
from pairmill.ledger.walk import Closing
from pairmill.stage.messages import task_message
from pairmill.stage.port import UnitContext, UnitResult
from pairmill.units import DEAD_LETTERS_TOPIC
from tests.fakes.processes import Child, wait_until
from tests.fakes.stage import GROUP, TOPIC, Stack, ToyHandler, one_row, open_stack, running

POINTS_OF_A_UNIT = (
    "before_work", "after_objects", "after_follow_ups", "after_record", "after_commit", "before_failure",
)  # fmt: skip


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with open_stack(tmp_path) as stack:
        yield stack


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
    with running(stack.loop(handler, units_in_flight=1)) as loop:
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


def test_a_long_unit_that_is_tried_again_after_one_failure_is_waited_for(stack: Stack) -> None:
    tries: list[int] = []

    def work(context: UnitContext) -> UnitResult:
        tries.append(1)
        if len(tries) == 1:
            raise RetriableError("no space left for a moment")
        context.cut_off.wait(1.5)  # longer than the stage waits in an outage
        return one_row(context)

    stack.publish(stack.tasks[:1])
    with running(stack.loop(ToyHandler(work), give_up_seconds=0.5)) as loop:
        wait_until(lambda: stack.lag() == 0 or bool(loop.gave_up))
    assert loop.gave_up == ""
    assert len(tries) == 2


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


def closings(stack: Stack) -> dict[str, Closing | None]:
    """Returns how the walk closed each crawl unit."""
    follower = JobFollower(stack.bus, stack.store, stack.admission.spec_ref)
    follower.catch_up()
    return {task.unit_id: follower.walk.closing_of(task.unit_id, task.input_digest) for task in stack.tasks}


@pytest.mark.parametrize("passage", [1, 3])
@pytest.mark.parametrize("point", POINTS_OF_A_UNIT)
def test_a1_a2_a_kill_at_any_point_loses_and_doubles_nothing(
    stack: Stack, tmp_path: Path, point: str, passage: int
) -> None:
    """The second WAT always raises, so that one kill is before a failure; it stays open."""
    passage = 1 if point == "before_failure" else passage
    stack.publish(stack.tasks)
    with Child("tests.fakes.stage", tmp_path, f"{point}:{passage}") as killed:
        assert killed.wait() == -signal.SIGKILL
    with Child("tests.fakes.stage", tmp_path, "") as second:
        wait_until(lambda: stack.lag() == 0)
        second.signal(signal.SIGTERM)
        assert second.wait() == 0
    found = list(closings(stack).values())
    assert found == [Closing.DONE, None, *[Closing.DONE] * 10]
    attempts = {record.done.attempt for record in stack.ledger() if record.HasField("done")}
    for info in stack.store.list("steps/"):
        assert stack.store.get(info.key) == b"data"
    assert len(list(stack.store.list("steps/"))) >= len(attempts) >= 11


def test_a3_sigterm_ends_with_zero_and_leaves_the_rest_to_the_next(stack: Stack, tmp_path: Path) -> None:
    with Child("tests.fakes.stage", tmp_path, "") as child:
        stack.publish(stack.tasks)
        wait_until(lambda: len(stack.ledger()) >= 2)
        child.signal(signal.SIGTERM)
        assert child.wait(20) == 0
    with Child("tests.fakes.stage", tmp_path, ""):
        wait_until(lambda: stack.lag() == 0)
    assert list(closings(stack).values()).count(Closing.DONE) == 11


def test_a3_a_second_stop_abandons_a_unit_that_does_not_heed(stack: Stack) -> None:
    started, release = threading.Event(), threading.Event()

    def deaf(context: UnitContext) -> UnitResult:
        started.set()
        release.wait(60)
        return one_row(context)

    stack.publish(stack.tasks[:1])
    with running(stack.loop(ToyHandler(deaf))) as loop:
        assert started.wait(10)
        loop.request_stop()
        loop.request_stop()
    release.set()
    assert stack.lag() == 1


def test_a15_a_stage_that_was_stopped_and_wakes_up_does_no_harm(stack: Stack, tmp_path: Path) -> None:
    with Child("tests.fakes.stage", tmp_path, "") as sleeper:
        stack.publish(stack.tasks[:4])
        wait_until(lambda: stack.lag() == 0)
        sleeper.signal(signal.SIGSTOP)
        with running(stack.loop(ToyHandler(one_row), "b")):
            stack.publish(stack.tasks[4:])
            wait_until(lambda: stack.lag() == 0)
            sleeper.signal(signal.SIGCONT)
            stack.publish(stack.tasks)
            wait_until(lambda: stack.lag() == 0)
    assert list(closings(stack).values()).count(Closing.DONE) >= 11


class SkewedClock(SystemClock):
    """A pod's clock that goes wrong by some time."""

    def __init__(self, skew: timedelta) -> None:
        self._skew = skew

    def now(self) -> datetime:
        return datetime.now(UTC) + self._skew


@pytest.mark.parametrize("hours", [-1, 1])
def test_a16_a_skewed_clock_decides_nothing(stack: Stack, hours: int) -> None:
    stack.publish(stack.tasks)
    with running(stack.loop(ToyHandler(one_row), clock=SkewedClock(timedelta(hours=hours)))):
        wait_until(lambda: stack.lag() == 0)
    assert set(closings(stack).values()) == {Closing.DONE}


def test_a18_a_slow_stage_takes_no_more_than_it_can_hold(stack: Stack) -> None:
    release = threading.Event()

    def slow(context: UnitContext) -> UnitResult:
        release.wait(30)
        return one_row(context)

    stack.publish(stack.tasks * 40)
    handler = ToyHandler(slow)
    with running(stack.loop(handler, units_in_flight=2)) as loop:
        wait_until(lambda: len(handler.seen) == 2)
        held = loop.held()
        assert held <= 4 * 64, "one poll of each partition"
        assert stack.lag() == 480
        release.set()
        wait_until(lambda: stack.lag() == 0)
    assert set(closings(stack).values()) == {Closing.DONE}


def test_u13_a_unit_started_three_times_without_an_end_is_isolated(stack: Stack, tmp_path: Path) -> None:
    stack.publish(stack.tasks[:1])
    for _ in range(3):
        with Child("tests.fakes.stage", tmp_path, "after_objects:1") as child:
            assert child.wait() == -signal.SIGKILL
    isolated: list[bool] = []

    def work(context: UnitContext) -> UnitResult:
        isolated.append(context.isolated)
        return one_row(context)

    with running(stack.loop(ToyHandler(work))):
        wait_until(lambda: stack.lag() == 0)
    assert isolated == [True]


def test_u13_waiting_for_the_environment_is_no_crash(stack: Stack) -> None:
    isolated: list[bool] = []

    def work(context: UnitContext) -> UnitResult:
        isolated.append(context.isolated)
        if len(isolated) < 5:
            raise RetriableError("away")
        return one_row(context)

    stack.publish(stack.tasks[:1])
    with running(stack.loop(ToyHandler(work))):
        wait_until(lambda: stack.lag() == 0)
    assert isolated == [False] * 5


def test_g4_a_corrupt_spec_poisons_its_own_tasks_only(stack: Stack, tmp_path: Path) -> None:
    ref = stack.admission.spec_ref
    tasks = stack.tasks
    path = tmp_path / "out" / ref.key
    good = path.read_bytes()
    path.write_bytes(b"?" + good[1:])
    stack.publish(tasks[:1])
    with running(stack.loop(ToyHandler(one_row))):
        wait_until(lambda: stack.lag() == 0)
        assert stack.bus.end_offset(TopicPartition(DEAD_LETTERS_TOPIC, 0)) == 1
        path.write_bytes(good)
        stack.publish(tasks[1:])
        wait_until(lambda: stack.lag() == 0)
    assert list(closings(stack).values())[1:] == [Closing.DONE] * 11


def test_a10_a_poison_message_counts_as_one_failure_however_often_it_comes(stack: Stack) -> None:
    good = task_message(stack.bus, stack.tasks[0], stack.admission.spec)
    stack.bus.publish(
        [Outgoing(topic=TOPIC, partition=good.partition, key=b"", value=b"\xff", headers=good.headers)]
    )
    for _ in range(4):
        stack.bus.reset_offsets(GROUP, TOPIC, to_end=False)
        with running(stack.loop(ToyHandler(one_row))):
            wait_until(lambda: stack.lag() == 0)
    assert len({record.failed.attempt for record in stack.ledger()}) == 1
    assert next(iter(closings(stack).values())) is None, "three different attempts would have closed it"
