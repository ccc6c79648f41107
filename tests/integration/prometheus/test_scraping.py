"""A real Prometheus looks at real processes and answers what a dashboard asks."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, get_args

import pytest
from prometheus_client import CollectorRegistry

from deploy.local.ports import free_port
from deploy.local.prometheus import PrometheusServer
from deploy.local.scraping import Target, write_targets
from pairmill.bus.port import TopicPartition
from pairmill.clock import SystemClock
from pairmill.telemetry.admin import AdminServer
from pairmill.telemetry.bus import BusMetrics
from pairmill.telemetry.metrics import StageMetrics
from pairmill.telemetry.store import StoreMetrics
from pairmill_crawler.metrics import CrawlerMetrics
from pairmill_downloader.metrics import DownloadMetrics
from pairmill_inference.metrics import InferenceMetrics
from pairmill_models.triton_metrics import TritonMetrics
from pairmill_models.triton_port import RequestEnding
from pairmill_protos.common.v1.outcome_pb2 import Outcome, Reason
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, Stage
from tests.fakes.processes import Child, wait_until
from tests.fakes.prometheus import firing, query, quick_config, value
from tests.fakes.prometheus_rules import recorded_names
from tests.fakes.stage import Stack, open_stack

WINDOW_SECONDS: Final = {"rate1m": 60.0, "rate5m": 300.0, "ratio_rate1h": 1.0, "ratio_rate5m": 1.0}
NO_REASON: Final = Reason.REASON_UNSPECIFIED


@dataclass
class Watched:
    """A Prometheus, and what it is told to look at."""

    server: PrometheusServer
    targets: dict[str, Target] = field(default_factory=dict)

    def look_at(self, service: str, port: int) -> None:
        """Lets it look at one more process; returns once it has, twice."""
        self.targets[service] = Target(address=f"127.0.0.1:{port}", labels={"service": service})
        self._write()
        wait_until(lambda: self.value(f'count_over_time(up{{service="{service}"}}[1m]) > 1') is not None)

    def look_away(self) -> None:
        """Lets it look at nothing."""
        self.targets.clear()
        self._write()

    def _write(self) -> None:
        write_targets(self.server.config.parent, "pairmill", list(self.targets.values()))

    def value(self, expression: str) -> float | None:
        return value(self.server, expression)

    def wait_for(self, expression: str, wanted: float) -> None:
        wait_until(lambda: self.value(expression) == wanted)

    def in_window(self, rule: str, labels: str = "") -> float:
        """What a recorded rate means over the time that it looks back on; waits until there is one.

        It is a little more than what was counted: from samples some seconds apart Prometheus concludes on
        what was before and after.
        """
        wait_until(lambda: bool(self.value(f"pairmill:{rule}{labels}")))
        rate = self.value(f"pairmill:{rule}{labels}")
        assert rate is not None
        return rate * WINDOW_SECONDS[rule.rpartition(":")[2]]


@pytest.fixture
def watched(
    prometheus_server: Callable[[Path], PrometheusServer], prometheus_config: Path
) -> Iterator[Watched]:
    watched = Watched(prometheus_server(prometheus_config))
    yield watched
    watched.look_away()


@pytest.fixture(scope="module")
def prometheus_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quick_config(tmp_path_factory.mktemp("prometheus") / "config")


class Measures:
    """The measures of all stages, as processes show them, to be counted up by a test."""

    def __init__(self) -> None:
        self.registries = {
            name: CollectorRegistry() for name in ("crawler", "downloader", "inference", "scorer")
        }
        stages = (Stage.STAGE_CRAWL, Stage.STAGE_DOWNLOAD, Stage.STAGE_EMBED, Stage.STAGE_SCORE)
        self.stages = {
            name: StageMetrics(registry, stage=stage)
            for (name, registry), stage in zip(self.registries.items(), stages, strict=True)
        }
        self.crawler = CrawlerMetrics(self.registries["crawler"])
        self.downloads = DownloadMetrics(self.registries["downloader"])
        self.model = InferenceMetrics(self.registries["inference"])
        self.triton = TritonMetrics(self.registries["inference"])
        self.bus = BusMetrics(self.registries["scorer"])
        self.store = StoreMetrics(self.registries["scorer"], SystemClock())

    def count(self) -> None:
        """A unit of each stage ends."""
        for metrics in self.stages.values():
            metrics.unit_ended("done", 2.0)
            metrics.lag({TopicPartition("some-tasks", 0): 40})
            metrics.units_in_flight(1)
        self.crawler.read(5_000)
        for _ in range(80):
            self.downloads.fetched(NO_REASON, 1_000, 0.2)
            self.downloads.examined(NO_REASON, 0.01)
        for _ in range(20):
            self.downloads.fetched(Reason.REASON_HTTP_4XX, 0, 0.1)
        self.stages["downloader"].stored([ObjectRef(role="shard", bytes=70_000)])
        self.model.called("image", 64, 1.5)
        self.model.called("image", 16, 0.4)
        self.triton.requested("image", 16, 0.4, get_args(RequestEnding)[0])
        self.store.moved("put", 3_000)
        with self.store.call("put"):
            self.bus.published([], 0.01)
        self.stages["scorer"].rows(
            {
                (Outcome.OUTCOME_KEPT, NO_REASON): 60,
                (Outcome.OUTCOME_FILTERED, Reason.REASON_LOW_SIMILARITY): 20,
            }
        )


@contextmanager
def served(measures: Measures) -> Iterator[dict[str, int]]:
    """Admin ports over measures, by service."""
    fine = {"loop": lambda: None}
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(AdminServer(port=0, registry=registry, live=fine, ready=fine)).port
            for name, registry in measures.registries.items()
        }


def test_recorded_rates_are_what_was_counted(watched: Watched) -> None:
    measures = Measures()
    with served(measures) as ports:
        for service, port in ports.items():
            watched.look_at(service, port)
        measures.count()
        counted = {
            ("pairs:rate5m", ""): 80,
            ("pairs_kept:rate5m", ""): 60,
            ("records:rate5m", '{service="scorer",outcome="filtered"}'): 20,
            ("records_by_reason:rate5m", '{service="scorer",reason="low_similarity"}'): 20,
            ("stored_bytes:rate5m", '{role="shard"}'): 70_000,
            ("store_bytes:rate5m", '{service="scorer",operation="put"}'): 3_000,
            ("wat_bytes:rate1m", ""): 5_000,
            ("downloaded_bytes:rate1m", ""): 80_000,
            ("images:rate1m", ""): 80,
            ("fetches:rate1m", '{reason="http_4xx"}'): 20,
            ("inference_rows:rate1m", '{model="image"}'): 80,
            ("units:rate5m", '{service="crawler",result="done"}'): 1,
        }
        for (rule, labels), number in counted.items():
            assert number <= watched.in_window(rule, labels) * 1.0001 <= number * 2, rule
        assert watched.in_window("keep:ratio_rate1h") == pytest.approx(0.75)
        assert watched.in_window("fetch_success:ratio_rate5m") == pytest.approx(0.8)
        assert watched.value('pairmill:inference_batch_rows:mean5m{model="image"}') == pytest.approx(40)
        watched.wait_for('pairmill:lag:records{service="scorer",topic="some-tasks"}', 40)
        of_others = {
            name for name in recorded_names() if name.startswith(("pairmill:job", "pairmill:triton_queue"))
        }
        names = set(recorded_names()) - of_others
        wait_until(lambda: [name for name in names if not query(watched.server, name)] == [])
        assert 1 < (watched.value('pairmill:unit_seconds:p50_5m{service="crawler"}') or 0) <= 2.5


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with open_stack(tmp_path) as stack:
        yield stack


def gateway_env(stack: Stack, folder: Path, port: int) -> dict[str, str]:
    spec = stack.admission.spec_ref
    return {
        **os.environ,
        "PAIRMILL_BUS_URL": f"sqlite://{folder}/bus.db",
        "PAIRMILL_STORE_URL": f"file://{folder}/out",
        "PAIRMILL_SPEC_KEY": spec.key,
        "PAIRMILL_SPEC_SHA256": spec.sha256.hex(),
        "PAIRMILL_SPEC_BYTES": str(spec.bytes),
        "PAIRMILL_STATUS_FILE": str(folder / "status.json"),
        "PAIRMILL_SCRATCH": str(folder / "gateway"),
        "PAIRMILL_ADMIN_PORT": str(port),
    }


def test_h12_a_stage_and_a_gateway_at_work_are_seen_and_need_nobody_who_looks(
    watched: Watched, stack: Stack, tmp_path: Path
) -> None:
    stage_port, gateway_port = free_port(), free_port()
    with (
        Child("tests.fakes.service", tmp_path, str(stage_port)) as stage,
        Child("pairmill_gateway", env=gateway_env(stack, tmp_path, gateway_port)) as gateway,
    ):
        wait_until(lambda: len(stack.ledger()) == len(stack.tasks))  # all work is done before anyone looks
        watched.look_at("crawler", stage_port)
        watched.look_at("gateway", gateway_port)
        done, rows = len(stack.tasks), 'pairmill_records_processed_total{service="crawler",outcome="passed"}'
        watched.wait_for(rows, done)
        watched.wait_for('pairmill_stored_bytes_total{role="step"}', done * len(b"data"))
        watched.wait_for('sum(pairmill_consumer_lag_records{service="crawler"})', 0)
        watched.wait_for('pairmill:jobs{state="crawling"}', 1)
        watched.wait_for('pairmill:job_units{standing="closed"}', done)
        watched.wait_for('pairmill_job_units{standing="closed"}', done)
        watched.wait_for('count(pairmill_build_info{service=~"crawler|gateway"})', 2)
        assert watched.value('min(pairmill_ready{service="crawler"})') == 1
        assert watched.value("min(pairmill_live)") == 1
        assert firing(watched.server) == set()
        for process in (stage, gateway):
            process.signal(signal.SIGTERM)
        assert (stage.wait(), gateway.wait()) == (0, 0)
        wait_until(lambda: watched.value('sum(up{job="pairmill"})') == 0)
