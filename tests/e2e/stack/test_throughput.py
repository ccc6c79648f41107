"""The running stack in the eyes of its Prometheus: what was worked on, and how fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

import psutil

from deploy.local.prometheus import PrometheusServer
from deploy.local.service import ServiceProcess
from pairmill.config import read_config
from pairmill.dataset.reader import Dataset
from pairmill.store.factory import open_store
from pairmill.store.settings import S3Config
from tests.e2e.stack.rig import Rig
from tests.fakes.processes import wait_until
from tests.fakes.prometheus import query, value

SERVICES: Final[Mapping[str, str]] = {
    "crawl": "crawler",
    "plan": "planner",
    "download": "downloader",
    "embed": "inference",
    "score": "scorer",
    "finalise": "finaliser",
}
RATES: Final = (
    "pairmill:images:rate1m",
    "pairmill:downloaded_bytes:rate1m",
    "pairmill:wat_bytes:rate1m",
    "pairmill:pairs:rate5m",
    "pairmill:pairs_kept:rate5m",
    "pairmill:keep:ratio_rate1h",
    "pairmill:fetch_success:ratio_rate5m",
)
_CLOCK_SECONDS: Final = 2.0
Counts = dict[tuple[str, str, str], float]


def test_prometheus_counts_what_the_ledger_counts_and_answers_what_a_dashboard_asks(rig: Rig) -> None:
    prometheus = rig.stack.prometheus
    wait_until(lambda: value(prometheus, 'min(up{job="pairmill"})') == 1)
    wait_until(lambda: all(is_of(prometheus, process) for process in rig.stack.services.values()))
    wait_until(lambda: value(prometheus, "sum(pairmill_units_in_flight)") == 0)
    before = counted(prometheus)
    job = rig.run("throughput")
    assert rig.restarts == 0
    expected = of_ledger(rig, job.job_id)
    in_all = sum(expected.values())
    wait_until(lambda: sum(since(before, counted(prometheus)).values()) >= in_all)
    wait_until(lambda: value(prometheus, "sum(changes(pairmill_records_processed_total[15s]))") == 0)
    assert since(before, counted(prometheus)) == expected
    wait_until(lambda: all((value(prometheus, rate) or 0) > 0 for rate in RATES))
    wait_until(lambda: value(prometheus, "sum(pairmill:lag:records)") == 0)
    timed = {sample.labels["service"] for sample in query(prometheus, "pairmill:unit_seconds:p95_5m")}
    assert timed - {"indexer"} == set(SERVICES.values())  # an index may have been built by now
    assert value(prometheus, "min(pairmill_live)") == 1


def is_of(prometheus: PrometheusServer, process: ServiceProcess) -> bool:
    """Whether what Prometheus holds of a service is of the process that runs now, not of one before it."""
    started = value(prometheus, f'process_start_time_seconds{{instance="{process.address}"}}')
    expected = psutil.boot_time() + process.running.started
    return started is not None and abs(started - expected) < _CLOCK_SECONDS


def counted(prometheus: PrometheusServer) -> Counts:
    """Rows by service, outcome and reason, of all processes since they started."""
    samples = query(prometheus, "sum by (service, outcome, reason) (pairmill_records_processed_total)")
    return {
        (sample.labels["service"], sample.labels["outcome"], sample.labels.get("reason", "")): sample.value
        for sample in samples
    }


def since(before: Counts, now: Counts) -> Counts:
    """What came to it."""
    return {key: rows - before.get(key, 0) for key, rows in now.items() if rows != before.get(key, 0)}


def of_ledger(rig: Rig, job_id: str) -> Counts:
    """Rows of a job's counted units, as the ledger of its dataset has them."""
    config = read_config(S3Config, rig.env, "PAIRMILL_S3__")
    found: Counter[tuple[str, str, str]] = Counter()
    with open_store(rig.dataset(job_id), config) as store:
        for row in Dataset.open(store).ledger():
            for count in row.counts:
                found[SERVICES[row.stage], count.outcome, count.reason] += count.rows
    return {key: float(rows) for key, rows in found.items()}
