"""Every metric that the gateway owns, besides those of its API."""

from __future__ import annotations

import threading
from collections import Counter as Tally
from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

from pairmill.telemetry.process import describe_process
from pairmill_gateway.ports import Repeat, StatusSink
from pairmill_gateway.status import JobStatus

_ENDED: Final = frozenset({"complete", "incomplete", "cancelled"})
STATES: Final = ("admitted", "crawling", "draining", "finalising", "finished", "blocked", *sorted(_ENDED))
"""All that a job's state can be; in `finished` all units are closed, and the manifest is being written."""

TIMES: Final = ("1", "2", "3", "more")
"""How often a unit has been handed out again; a unit that merely failed stops at three attempts (U13)."""

REMEMBERED: Final = 1000
"""Jobs with an end whose status may still come again, as that of a cancelled one until it is written."""


class GatewayMetrics:
    """Shows how far the jobs are as measures, summed over all of them, and passes each status on.

    Thread-safe. Jobs are no labels: there is no end of them.
    """

    def __init__(self, registry: CollectorRegistry, behind: StatusSink) -> None:
        self._behind = behind
        self._lock = threading.Lock()
        self._ended: Tally[str] = Tally()  # jobs by the state that they ended in
        self._ended_lately: dict[str, str] = {}  # state of the last ones of those, the oldest first
        self._running: dict[str, JobStatus] = {}
        describe_process(registry)
        self._show_jobs(registry)
        self._show_repeats(registry)
        self._show_indices(registry)
        self._set()

    def asks_for_recall(self, gate: float) -> None:
        """Takes what indices have to find to be published."""
        self._gate.set(gate)

    def handed_out_again(self, cause: Repeat, times: int) -> None:
        """Counts a unit that was handed out once more."""
        self._repeats.labels(cause, TIMES[min(times, len(TIMES)) - 1]).inc()

    def waiting_for_index(self, jobs: int) -> None:
        """Takes how many jobs wait for the index of their dataset."""
        self._unindexed.set(jobs)

    def show(self, status: JobStatus) -> None:
        """Takes the latest status of a job."""
        with self._lock:
            self._forget(status.job_id)
            if status.state in _ENDED:
                self._note_end(status)
            else:
                self._running[status.job_id] = status
            self._set()
        self._behind.show(status)

    def _show_jobs(self, registry: CollectorRegistry) -> None:
        self._jobs = Gauge(
            "pairmill_jobs",
            "Jobs that this gateway has seen at work, by their state now; each gateway sees all.",
            ("state",),
            registry=registry,
        )
        self._units = Gauge(
            "pairmill_job_units", "Units of the jobs that have not ended.", ("standing",), registry=registry
        )
        self._candidates = Gauge(
            "pairmill_job_candidates",
            "Candidates of the jobs that have not ended.",
            ("standing",),
            registry=registry,
        )
        self._expected = Gauge(
            "pairmill_job_expected_candidates",
            "Candidates that those jobs will have in all, if waves that wait bring what the others brought.",
            registry=registry,
        )
        self._waves = Gauge(
            "pairmill_job_waves_waiting",
            "Waves that are held back, of the jobs that have not ended.",
            registry=registry,
        )

    def _show_repeats(self, registry: CollectorRegistry) -> None:
        self._repeats = Counter(
            "pairmill_units_handed_out_again",
            "Units that were handed out once more, by why, and which repeat of the unit this was.",
            ("cause", "times"),
            registry=registry,
        )
        for cause in get_args(Repeat):
            for times in TIMES:
                self._repeats.labels(cause, times)

    def _show_indices(self, registry: CollectorRegistry) -> None:
        self._unindexed = Gauge(
            "pairmill_jobs_unindexed",
            "Jobs that have ended and whose dataset waits for its index, of those this gateway acts for.",
            registry=registry,
        )
        self._gate = Gauge(
            "pairmill_index_recall_gate",
            "Recall@10 below which an index that this gateway asks for is refused; 0 if it asks for none.",
            registry=registry,
        )

    def _forget(self, job_id: str) -> None:
        """Takes back what was counted of a job, so that it is counted once however often it is shown."""
        self._running.pop(job_id, None)
        if (state := self._ended_lately.pop(job_id, None)) is not None:
            self._ended[state] -= 1

    def _note_end(self, status: JobStatus) -> None:
        """Counts a job that has ended; all but the last ones are a number only."""
        self._ended[status.state] += 1
        self._ended_lately[status.job_id] = status.state
        if len(self._ended_lately) > REMEMBERED:
            del self._ended_lately[next(iter(self._ended_lately))]

    def _set(self) -> None:
        running = list(self._running.values())
        states = self._ended + Tally(status.state for status in running)
        for state in STATES:
            self._jobs.labels(state).set(states[state])
        self._units.labels("open").set(sum(status.units_open for status in running))
        self._units.labels("closed").set(sum(status.units_closed for status in running))
        self._candidates.labels("planned").set(sum(status.candidates for status in running))
        self._candidates.labels("ended").set(sum(status.ended for status in running))
        self._candidates.labels("passed").set(sum(status.passed for status in running))
        self._expected.set(sum(status.expected for status in running))
        self._waves.set(sum(status.waves_waiting for status in running))
