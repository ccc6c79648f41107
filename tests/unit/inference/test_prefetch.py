"""Work that runs ahead, by a bounded distance (A18)."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pairmill_inference.prefetch import run_ahead


def test_results_come_in_order_whatever_finishes_first() -> None:
    second_done = threading.Event()

    def work(job: int) -> int:
        if job == 0:
            assert second_done.wait(10)
        else:
            second_done.set()
        return job * 2

    assert list(run_ahead(range(6), work, threads=2, ahead=3)) == [0, 2, 4, 6, 8, 10]


def test_a18_a_slow_consumer_stops_the_reader() -> None:
    read: list[int] = []

    def jobs() -> Iterator[int]:
        for job in range(100):
            read.append(job)
            yield job

    results = run_ahead(jobs(), lambda job: job, threads=2, ahead=3)
    for taken in range(1, 11):
        assert next(results) == taken - 1
        assert len(read) <= taken + 2
    results.close()
    assert len(read) <= 12


def test_what_work_raises_is_raised_in_its_place() -> None:
    def work(job: int) -> int:
        if job == 2:
            raise OSError("no such thing")
        return job

    results = run_ahead(range(10), work, threads=1, ahead=4)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(OSError, match="no such thing"):
        next(results)


def test_no_jobs_give_no_results() -> None:
    assert list(run_ahead([], lambda job: job, threads=1, ahead=1)) == []
