"""The death of a child is the evidence against what it held, and against nothing else (A7, U13)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pairmill.children.limits import Limits
from pairmill.children.worker import ChildWorker, Death
from pairmill.errors import RetriableError
from tests.fakes.children import Doubler, broken_factory, deadly_factory


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    return tmp_path / "calls"


@pytest.fixture
def worker(calls: Path) -> Iterator[ChildWorker[int, int]]:
    child = ChildWorker(Doubler(calls), seconds_per_item=20.0, name="doubler")
    yield child
    child.close()


def calls_of(calls: Path, number: int) -> list[str]:
    lines = [line.split() for line in calls.read_text().splitlines()]
    return [pid for given, pid in lines if given == str(number)]


def test_a7_an_item_that_kills_its_child_twice_fails_alone(
    worker: ChildWorker[int, int], calls: Path
) -> None:
    first, second, third = worker.map([1, 13, 2])
    assert (first, third) == (2, 4)
    assert isinstance(second, Death)
    assert second.how == "died"
    assert "-9" in second.detail
    assert len(set(calls_of(calls, 13))) == 2
    assert len(calls_of(calls, 1)) == len(calls_of(calls, 2)) == 1


def test_a7_a_child_that_leaves_by_itself_is_dead_too(worker: ChildWorker[int, int]) -> None:
    (answer,) = worker.map([14])
    assert isinstance(answer, Death)
    assert worker.map([5]) == [10]


def test_one_child_serves_all_items(worker: ChildWorker[int, int], calls: Path) -> None:
    assert worker.map([1, 2, 3]) == [2, 4, 6]
    assert worker.map([4]) == [8]
    assert len({pid for number in (1, 2, 3, 4) for pid in calls_of(calls, number)}) == 1


def test_e5_an_item_that_takes_too_long_is_given_up(calls: Path) -> None:
    child = ChildWorker(Doubler(calls), seconds_per_item=0.8, name="doubler")
    try:
        slow, quick = child.map([15, 3])
    finally:
        child.close()
    assert isinstance(slow, Death)
    assert slow.how == "timed_out"
    assert quick == 6
    assert len(calls_of(calls, 15)) == 2


def test_e5_processor_time_is_limited_however_long_the_wall_clock_allows(
    worker: ChildWorker[int, int],
) -> None:
    answer = worker.ask(18, cpu_seconds=0.2)
    assert isinstance(answer, Death)
    assert answer.how == "timed_out"
    assert "0.2 s of processor time" in answer.detail
    assert worker.ask(4, cpu_seconds=0.2) == 8


def test_e1_an_allocation_above_the_limit_fails_in_the_child_alone(calls: Path) -> None:
    child = ChildWorker(
        Doubler(calls), seconds_per_item=20.0, name="doubler", limits=Limits(memory_bytes=1 << 34)
    )
    try:
        with pytest.raises(RuntimeError, match="MemoryError"):
            child.ask(19)
        assert child.ask(2) == 4
        assert len(set(calls_of(calls, 19) + calls_of(calls, 2))) == 1
    finally:
        child.close()


def test_what_work_raises_is_raised_here(worker: ChildWorker[int, int]) -> None:
    with pytest.raises(RetriableError, match="not now"):
        worker.map([16])
    with pytest.raises(RuntimeError, match="KeyError"):
        worker.map([17])
    assert worker.map([1]) == [2]


def test_a_child_that_cannot_start_is_evidence_against_no_item() -> None:
    for factory, words in ((broken_factory, "no model here"), (deadly_factory, "did not start")):
        child: ChildWorker[int, int] = ChildWorker(factory, seconds_per_item=5.0, name="broken")
        with pytest.raises(RetriableError, match=words):
            child.map([1])
        child.close()
