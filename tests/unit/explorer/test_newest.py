"""What is kept of each dataset: made once, without keeping others waiting."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pairmill.errors import RetriableError
from pairmill_explorer.datasets.newest import Newest


class Slow:
    """Makes a value that is not there before it is let go."""

    def __init__(self) -> None:
        self.begun, self.goes_on = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.goes_on.wait(30)
        return "slow"


def test_a_value_is_made_once_for_each_version() -> None:
    newest, made = Newest[str](4), list[str]()

    def get(version: str) -> str:
        def make() -> str:
            made.append(version)
            return version

        return newest.get("a", version, make)

    assert [get(version) for version in ("1", "1", "2", "2")] == ["1", "1", "2", "2"]
    assert made == ["1", "2"]


def test_while_one_dataset_is_read_others_answer_and_its_own_callers_wait() -> None:
    newest, slow = Newest[str](4), Slow()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(newest.get, "a", "1", slow)
        assert slow.begun.wait(30)
        second = pool.submit(newest.get, "a", "1", lambda: "made twice")
        assert newest.get("b", "1", lambda: "other") == "other"
        assert not first.done()
        slow.goes_on.set()
        assert (first.result(30), second.result(30)) == ("slow", "slow")


def test_nobody_waits_for_long() -> None:
    newest, slow = Newest[str](4, wait_seconds=0.01), Slow()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(newest.get, "a", "1", slow)
        assert slow.begun.wait(30)
        with pytest.raises(RetriableError, match="a is being read"):
            newest.get("a", "1", slow)
        slow.goes_on.set()
        assert first.result(30) == "slow"
    assert newest.get("a", "1", lambda: "made twice") == "slow"


def test_what_could_not_be_made_is_tried_again() -> None:
    def fail() -> str:
        raise RetriableError("the store is away")

    newest = Newest[str](4)
    with pytest.raises(RetriableError, match="away"):
        newest.get("a", "1", fail)
    assert newest.get("a", "1", lambda: "made") == "made"


def test_those_used_last_are_kept() -> None:
    newest = Newest[str](2)
    for name in ("a", "b", "a", "c"):
        newest.get(name, "1", lambda: "first")
    assert len(newest) == 2
    assert [newest.get(name, "1", lambda: "again") for name in ("a", "b")] == ["first", "again"]
