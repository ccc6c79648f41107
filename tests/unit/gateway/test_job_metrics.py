"""Measures of a gateway: sums over the jobs that it drives."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from pairmill_gateway.metrics import STATES, GatewayMetrics
from pairmill_gateway.status import JobStatus


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
