"""Files of a bucket are read at once, those of a folder one after the other."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from pathlib import Path

import pytest

from pairmill.errors import RetriableError
from pairmill.store.directory import DirectoryStore
from pairmill_explorer.datasets.reading import MOST_AT_ONCE, all_read
from tests.fakes.store import MemoryStore

_DEADLINE = 30.0
_REQUEST: ContextVar[str] = ContextVar("request", default="none")


def test_a_bucket_is_asked_for_several_files_at_once() -> None:
    together = threading.Barrier(MOST_AT_ONCE)

    def read(number: int) -> int:
        together.wait(_DEADLINE)  # breaks unless so many wait here
        return number

    reads = [lambda number=number: read(number) for number in range(2 * MOST_AT_ONCE)]
    assert all_read(MemoryStore(), reads) == [*range(2 * MOST_AT_ONCE)]


def test_no_more_files_than_the_bound_are_read_at_once() -> None:
    lock, under_way, most = threading.Lock(), 0, 0

    def read() -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        with lock:
            under_way -= 1

    all_read(MemoryStore(), [read] * 200)
    assert 1 <= most <= MOST_AT_ONCE


def test_files_of_a_folder_are_read_by_the_caller(tmp_path: Path) -> None:
    assert all_read(DirectoryStore(tmp_path), [threading.get_ident] * 3) == [threading.get_ident()] * 3


def test_who_reads_knows_the_request() -> None:
    token = _REQUEST.set("r1")
    try:
        assert all_read(MemoryStore(), [_REQUEST.get] * 3) == ["r1"] * 3
    finally:
        _REQUEST.reset(token)


def test_what_a_read_raises_reaches_the_caller() -> None:
    def away() -> int:
        raise RetriableError("the store does not answer")

    with pytest.raises(RetriableError, match="does not answer"):
        all_read(MemoryStore(), [lambda: 1, away, lambda: 2])
