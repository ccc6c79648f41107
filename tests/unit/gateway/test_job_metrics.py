"""Measures of a gateway: sums over the jobs that it drives."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Final, get_args

from prometheus_client import CollectorRegistry

from pairmill_gateway.metrics import REMEMBERED, STATES, TIMES, GatewayMetrics
from pairmill_gateway.ports import NoSink, Repeat
from pairmill_gateway.status import JobStatus

MANY: Final = 3000
NAME_BYTES: Final = 1000  # of a job, so that what is kept of one shows


class Statuses:
    """Counts what was passed on."""

    def __init__(self) -> None:
        self.shown: list[JobStatus] = []

    def show(self, status: JobStatus) -> None:
        self.shown.append(status)


def status(job_id: str, state: str, *, units_open: int = 0, candidates: int = 0) -> JobStatus:
    return JobStatus(
        job_id=job_id,
        state=state,
        units_open=units_open,
        units_closed=1,
        candidates=candidates,
        ended=0,
        in_progress=0,
        passed=0,
        waves=1,
        waves_waiting=1,
        blocked="",
        blocked_group="",
        why="",
        counts={},
    )


def test_jobs_are_summed_and_leave_with_their_end() -> None:
    registry, behind = CollectorRegistry(), Statuses()
    metrics = GatewayMetrics(registry, behind)
    value = registry.get_sample_value
    assert [value("pairmill_jobs", {"state": state}) for state in STATES] == [0] * len(STATES)
    metrics.show(status("a", "crawling", units_open=3, candidates=10))
    metrics.show(status("b", "blocked", units_open=4, candidates=20))
    assert value("pairmill_job_units", {"standing": "open"}) == 7
    assert value("pairmill_job_candidates", {"standing": "planned"}) == 30
    assert value("pairmill_jobs", {"state": "blocked"}) == 1
    metrics.show(status("b", "complete", candidates=20))
    assert value("pairmill_jobs", {"state": "blocked"}) == 0
    assert value("pairmill_jobs", {"state": "complete"}) == 1
    assert value("pairmill_job_candidates", {"standing": "planned"}) == 10
    assert value("pairmill_job_waves_waiting") == 1
    assert len(behind.shown) == 3


def test_waves_that_wait_are_expected_to_bring_what_the_others_brought() -> None:
    registry = CollectorRegistry()
    metrics, value = GatewayMetrics(registry, NoSink()), registry.get_sample_value
    begun = replace(status("a", "crawling", candidates=300), waves=10, waves_waiting=7)
    assert begun.expected == 1000
    assert replace(begun, waves_waiting=0).expected == 300
    assert replace(begun, waves_waiting=10, candidates=0).expected == 0
    metrics.show(begun)
    metrics.show(status("b", "crawling", candidates=20))
    assert value("pairmill_job_expected_candidates") == 1020


def test_units_handed_out_again_are_counted_by_cause_and_times() -> None:
    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry, NoSink())
    for cause in get_args(Repeat):
        for times in TIMES:
            labels = {"cause": cause, "times": times}
            assert registry.get_sample_value("pairmill_units_handed_out_again_total", labels) == 0
    for handed_out in (1, 2, 3, 4, 9):
        metrics.handed_out_again("lost", handed_out)
    counted = [
        registry.get_sample_value("pairmill_units_handed_out_again_total", {"cause": "lost", "times": times})
        for times in TIMES
    ]
    assert counted == [1, 1, 1, 2]


def test_the_gate_of_indices_is_shown() -> None:
    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry, NoSink())
    assert registry.get_sample_value("pairmill_index_recall_gate") == 0
    metrics.asks_for_recall(0.9)
    assert registry.get_sample_value("pairmill_index_recall_gate") == 0.9


def test_a_job_is_counted_once_however_often_its_end_is_shown() -> None:
    registry = CollectorRegistry()
    metrics, value = GatewayMetrics(registry, Statuses()), registry.get_sample_value
    metrics.show(status("a", "crawling"))
    for _ in range(3):
        metrics.show(status("a", "cancelled"))  # by its ledger, until its manifest is written
    assert value("pairmill_jobs", {"state": "cancelled"}) == 1
    metrics.show(status("a", "draining"))
    assert value("pairmill_jobs", {"state": "cancelled"}) == 0
    assert value("pairmill_jobs", {"state": "draining"}) == 1


def test_memory_does_not_grow_with_the_jobs_that_have_ended() -> None:
    registry = CollectorRegistry()
    metrics, value = GatewayMetrics(registry, NoSink()), registry.get_sample_value
    end_jobs(metrics, 0, 1500)
    tracemalloc.start()
    end_jobs(metrics, 1500, 1500 + MANY)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert value("pairmill_jobs", {"state": "complete"}) == 1500 + MANY
    assert value("pairmill_jobs", {"state": "crawling"}) == 0
    assert grown < 1.2 * REMEMBERED * NAME_BYTES, "an entry of each job would be three times as much"


def end_jobs(metrics: GatewayMetrics, first: int, end: int) -> None:
    for number in range(first, end):
        name = f"{number:0{NAME_BYTES}d}"
        metrics.show(status(name, "crawling"))
        metrics.show(status(name, "complete"))
