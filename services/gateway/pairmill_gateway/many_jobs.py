"""A gateway that drives all jobs of a cluster: its parts in the order they depend on each other."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

import structlog
from prometheus_client import CollectorRegistry

from pairmill import __version__
from pairmill.bus.factory import open_bus
from pairmill.clock import SystemClock
from pairmill.config import read_config, redacted
from pairmill.service import end_with_parent, stop_on_signals
from pairmill.stage.checkpoints import checkpoints_of
from pairmill.stage.members import member_name
from pairmill.startup import startup_of
from pairmill.store.factory import open_store
from pairmill.telemetry.admin import AdminServer
from pairmill.telemetry.bus import BusMetrics, MeasuredBus
from pairmill.telemetry.checks import PingCheck
from pairmill.telemetry.disk import show_scratch
from pairmill.telemetry.expiry import show_expiry
from pairmill.telemetry.logs import configure_logging
from pairmill.telemetry.store import MeasuredStore, StoreMetrics
from pairmill.units import JOBS_TOPIC, LEDGER_TOPIC, PROGRESS_TOPIC
from pairmill_gateway.audit_desk import AuditDesk
from pairmill_gateway.book import Book
from pairmill_gateway.bundles import BundleShelf
from pairmill_gateway.config import ClusterConfig
from pairmill_gateway.desk import Desk
from pairmill_gateway.indexing import Indexing
from pairmill_gateway.job_desk import JobDesk
from pairmill_gateway.jobs_loop import JobsLoop, JobsLoopSettings
from pairmill_gateway.metrics import GatewayMetrics
from pairmill_gateway.ports import NoSink
from pairmill_gateway.report import collect_facts, render_report
from pairmill_gateway.rpc.server import Backends, api_server
from pairmill_gateway.running import RunningJobs
from pairmill_gateway.standing_desk import StandingDesk
from pairmill_gateway.submission import SubmissionLimits, Submissions
from pairmill_gateway.workshop import DatasetWorkshop
from pairmill_protos.index.v1.index_pb2 import IndexOptions

log = structlog.get_logger(__name__)


def drive_jobs(env: Mapping[str, str]) -> int:
    """Drives jobs and answers until it is told to stop; returns the exit code."""
    config = read_config(ClusterConfig, env)
    configure_logging(config.log_level, service="gateway", version=__version__)
    log.info("configured", **redacted(config))
    with ExitStack() as stack:
        clock, registry, running = SystemClock(), CollectorRegistry(), RunningJobs()
        bus = MeasuredBus(
            stack.enter_context(open_bus(config.bus_url, config.kafka)), BusMetrics(registry), clock
        )
        store = MeasuredStore(
            stack.enter_context(open_store(config.store_url, config.s3)), StoreMetrics(registry, clock)
        )
        desk = Desk(
            bus=bus, store=store, store_url=config.store_url, book=Book(bus), running=running, clock=clock
        )
        loop = _loop(config, desk, registry)
        startup = startup_of(bus, (JOBS_TOPIC, LEDGER_TOPIC, PROGRESS_TOPIC), store, clock, registry)
        stack.enter_context(
            AdminServer(
                host=config.admin_host,
                port=config.admin_port,
                registry=registry,
                live={"loop": startup.live(loop.is_live)},
                ready={
                    "loop": startup.ready(loop.is_ready),
                    "bus": PingCheck(bus.ping, clock),
                    "store": PingCheck(store.ping, clock),
                },
            )
        )
        stop_on_signals(startup.request_stop, loop.request_stop)
        if config.watch_stdin:
            end_with_parent()
        stack.enter_context(
            api_server(
                config.rpc,
                _backends(config, desk),
                registry=registry,
                clock=clock,
                ready=startup.ready(loop.is_ready),
            )
        )
        return loop.run() if startup.wait() else 0


def _loop(config: ClusterConfig, desk: Desk, registry: CollectorRegistry) -> JobsLoop:
    checkpoints = checkpoints_of(config.kill_at)
    show_scratch(registry, config.scratch)
    show_expiry(registry, desk.clock, config)
    metrics = GatewayMetrics(registry, NoSink())
    workshop = DatasetWorkshop(
        bus=desk.bus,
        store=desk.store,
        store_url=desk.store_url,
        scratch=config.scratch,
        clock=desk.clock,
        checkpoints=checkpoints,
        reissue_after_seconds=config.reissue_after_seconds,
        render=lambda dataset: render_report(collect_facts(dataset)),
        observer=metrics,
    )
    return JobsLoop(
        JobsLoopSettings(
            member=member_name(config.member),
            poll_seconds=config.poll_seconds,
            absent_after_seconds=config.absent_after_seconds,
            sweep_again_seconds=config.sweep_again_seconds,
            keeps_ledger=config.keep_ledger,
            chores_at_once=config.chores_at_once,
        ),
        bus=desk.bus,
        book=desk.book,
        running=desk.running,
        workshop=workshop,
        clock=desk.clock,
        sink=metrics,
        checkpoints=checkpoints,
        indexing=_indexing(config, desk, workshop, metrics) if config.index_finished else None,
    )


def _indexing(
    config: ClusterConfig, desk: Desk, workshop: DatasetWorkshop, metrics: GatewayMetrics
) -> Indexing:
    options = IndexOptions(
        only_kept=config.index_only_kept,
        min_recall=config.index_min_recall,
        latency_ms=config.index_latency_ms,
    )
    metrics.asks_for_recall(config.index_min_recall)
    return Indexing(desk.bus, workshop, desk.clock, options, metrics.waiting_for_index)


def _backends(config: ClusterConfig, desk: Desk) -> Backends:
    limits = SubmissionLimits(max_wats=config.max_wats, max_running_jobs=config.max_running_jobs)
    submissions = Submissions(desk.bus, desk.store, desk.book, BundleShelf(config.bundles), limits)
    return Backends(
        jobs=JobDesk(desk, submissions),
        audits=AuditDesk(desk, submissions, config.scratch),
        standings=StandingDesk(desk.book, desk.running),
    )
