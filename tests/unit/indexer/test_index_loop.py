"""The indexer's loop: which tasks end how, and what is committed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from pairmill.bus.topics import create_topics
from pairmill.errors import (
    ConfigurationError,
    CorruptObjectError,
    InvalidRecordError,
    NoSpaceError,
    ObjectMissingError,
    RetriableError,
)
from pairmill.units import DEAD_LETTERS_TOPIC
from pairmill_index.errors import IndexBusyError, IndexRefusedError
from pairmill_indexer.change import Indexed
from pairmill_indexer.verdicts import BuildDiedError, Refusal
from tests.fakes.bus import MemoryBus
from tests.fakes.indexing import (
    TOPIC,
    FakeBuilder,
    Measures,
    built,
    index_task,
    publish_bytes,
    publish_task,
    running,
)
from tests.fakes.processes import wait_until


@pytest.fixture
def bus() -> MemoryBus:
    made = MemoryBus()
    create_topics(made, 2)
    return made


def is_committed(bus: MemoryBus) -> bool:
    """Whether all tasks are committed past."""
    ends = {source: log.end for source, log in bus.logs.items() if source.topic == TOPIC}
    return all(bus.committed("index", source) == end for source, end in ends.items() if end)


def failing(*errors: Exception) -> Callable[[], Indexed]:
    """Raises these, one a call, and then does it."""
    left: Iterator[Exception] = iter(errors)

    def do() -> Indexed:
        for error in left:
            raise error
        return built()

    return do


def test_each_task_is_built_and_then_committed(bus: MemoryBus) -> None:
    builder, measures = FakeBuilder(), Measures()
    for number in range(6):
        publish_task(bus, index_task(f"d{number}"))
    with running(bus, builder, measures=measures):
        wait_until(lambda: is_committed(bus))
    assert sorted(task.dataset for task in builder.asked) == [f"d{number}" for number in range(6)]
    assert measures.changes == ["built"] * 6
    assert (1, 2) in measures.steps
    assert measures.steps[-1] == (0, 0)


def test_an_index_whose_merger_is_refused_is_up_to_date_and_counted(bus: MemoryBus) -> None:
    unmerged = replace(built(), merge_refused=Refusal.LOW_RECALL)
    measures = Measures()
    publish_task(bus, index_task("a"))
    with running(bus, FakeBuilder(does={"a": lambda: unmerged}), measures=measures):
        wait_until(lambda: is_committed(bus))
    assert (measures.changes, measures.refusals) == (["built"], [])
    assert measures.unmerged == [Refusal.LOW_RECALL]


def test_a5_a_build_that_takes_long_keeps_its_member_and_is_committed_afterwards(bus: MemoryBus) -> None:
    builder = FakeBuilder(holds=threading.Event())
    bus.session_seconds = 0.5
    publish_task(bus, index_task("slow"))
    with running(bus, builder):
        wait_until(lambda: bool(builder.asked))
        assert not threading.Event().wait(1.0)
        assert bus.has_members("index")
        assert not is_committed(bus)
        assert builder.holds is not None
        builder.holds.set()
        wait_until(lambda: is_committed(bus))
    assert len(builder.asked) == 1


def test_a3_a_stop_cuts_the_build_off_and_the_task_is_delivered_again(bus: MemoryBus) -> None:
    first, second = FakeBuilder(holds=threading.Event()), FakeBuilder()
    publish_task(bus, index_task("d"))
    with running(bus, first):
        wait_until(lambda: bool(first.asked))
    assert first.cut_off == ["d"]
    assert not is_committed(bus)
    with running(bus, second):
        wait_until(lambda: is_committed(bus))
    assert [task.dataset for task in second.asked] == ["d"]


def test_a4_a_partition_that_moves_takes_its_build_along(bus: MemoryBus) -> None:
    """All builds of a member whose partitions went elsewhere are cut off."""
    first, second = FakeBuilder(holds=threading.Event()), FakeBuilder()
    for number in range(4):
        publish_task(bus, index_task(f"d{number}"))
    with running(bus, first, member="indexer-1"):
        wait_until(lambda: bool(first.asked))
        with running(bus, second, member="indexer-0"):
            assert first.holds is not None
            wait_until(lambda: bool(second.asked))
            first.holds.set()
            wait_until(lambda: is_committed(bus))
    names = {task.dataset for builder in (first, second) for task in builder.asked}
    assert names == {f"d{number}" for number in range(4)}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (IndexRefusedError("recall 0.2"), Refusal.LOW_RECALL),
        (CorruptObjectError("embeddings/img_emb/x.npy"), Refusal.CORRUPT_OBJECT),
        (InvalidRecordError("x.npy holds no array"), Refusal.CORRUPT_OBJECT),
        (ObjectMissingError("data/en/x.parquet"), Refusal.OBJECT_MISSING),
        (ConfigurationError("there are no samples to index"), Refusal.NOT_INDEXABLE),
    ],
    ids=lambda value: str(value) if isinstance(value, Refusal) else type(value).__name__,
)
def test_a_task_that_never_will_do_is_set_aside_with_its_reason(
    bus: MemoryBus, error: Exception, reason: Refusal
) -> None:
    builder, measures = FakeBuilder(does={"bad": failing(error)}), Measures()
    publish_task(bus, index_task("bad"))
    publish_task(bus, index_task("good"))
    with running(bus, builder, measures=measures):
        wait_until(lambda: is_committed(bus))
    (letter,) = bus.messages(DEAD_LETTERS_TOPIC)
    headers = dict(letter.headers)
    assert letter.value == index_task("bad").SerializeToString()
    assert headers["dlq-reason"].decode() == reason
    assert str(error) in headers["dlq-error"].decode()
    assert measures.refusals == [reason]
    assert measures.changes == ["built"]


@pytest.mark.parametrize("value", [b"\xff\xff", b"", index_task(version="").SerializeToString()])
def test_a6_what_is_no_task_is_set_aside_and_the_next_is_worked_on(bus: MemoryBus, value: bytes) -> None:
    measures = Measures()
    publish_bytes(bus, value)
    publish_task(bus, index_task(""))
    with running(bus, FakeBuilder(), measures=measures):
        wait_until(lambda: is_committed(bus))
    (letter,) = bus.messages(DEAD_LETTERS_TOPIC)
    assert letter.value == value
    assert dict(letter.headers)["dlq-topic"] == TOPIC.encode()
    assert (measures.refusals, measures.changes) == ([Refusal.INVALID_RECORD], ["built"])


def test_a7_a_build_that_dies_is_tried_again_and_set_aside_after_the_last_attempt(bus: MemoryBus) -> None:
    deaths = [BuildDiedError("the build's process ended with -9") for _ in range(5)]
    builder = FakeBuilder(does={"once": failing(deaths[0]), "always": failing(*deaths[1:4])})
    measures = Measures()
    publish_task(bus, index_task("once"))
    publish_task(bus, index_task("always"))
    with running(bus, builder, measures=measures):
        wait_until(lambda: is_committed(bus), seconds=30.0)
    assert sorted(task.dataset for task in builder.asked) == ["always"] * 3 + ["once"] * 2
    assert measures.refusals == [Refusal.BUILD_FAILED]
    assert measures.changes == ["built"]


@pytest.mark.parametrize(
    "error", [RetriableError("the store is away"), NoSpaceError("full"), IndexBusyError("another one")]
)
def test_a17_the_environment_is_waited_for_and_said_in_readiness(bus: MemoryBus, error: Exception) -> None:
    """It counts against nobody, however often."""
    measures = Measures()
    builder = FakeBuilder(does={"d": failing(error, error)})
    publish_task(bus, index_task("d"))
    with running(bus, builder, measures=measures) as loop:
        wait_until(lambda: str(error) in (loop.is_ready() or ""))
        wait_until(lambda: is_committed(bus))
        wait_until(lambda: loop.is_ready() is None)
    assert (measures.changes, measures.refusals) == (["built"], [])


def test_a9_while_nothing_can_be_set_aside_nothing_is_committed(bus: MemoryBus) -> None:
    builder = FakeBuilder(does={"bad": failing(IndexRefusedError("recall"))}, holds=threading.Event())
    publish_task(bus, index_task("bad"))
    with running(bus, builder) as loop:
        wait_until(lambda: bool(builder.asked))
        bus.away = True
        assert builder.holds is not None
        builder.holds.set()
        wait_until(lambda: "away" in (loop.is_ready() or ""))
        assert loop.is_live() is None
        bus.away = False
        wait_until(lambda: is_committed(bus))
    assert len(bus.messages(DEAD_LETTERS_TOPIC)) == 1
    assert len(builder.asked) == 1


def test_a10_repeated_tasks_of_a_dataset_end_one_behind_the_other(bus: MemoryBus) -> None:
    builder = FakeBuilder()
    for _ in range(5):
        publish_task(bus, index_task("d"))
    with running(bus, builder):
        wait_until(lambda: is_committed(bus))
    assert len(builder.asked) == 5
