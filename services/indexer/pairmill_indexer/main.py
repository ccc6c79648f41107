"""An indexer's process: its parts in the order they depend on each other."""

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
from pairmill.stage.members import member_name
from pairmill.startup import startup_of
from pairmill.store.factory import open_store
from pairmill.telemetry.admin import AdminServer
from pairmill.telemetry.bus import BusMetrics, MeasuredBus
from pairmill.telemetry.checks import PingCheck
from pairmill.telemetry.disk import show_scratch
from pairmill.telemetry.expiry import show_expiry
from pairmill.telemetry.logs import configure_logging
from pairmill.telemetry.metrics import StageMetrics
from pairmill.units import DEAD_LETTERS_TOPIC
from pairmill_indexer.adapters.build_child import ChildBuilder, ChildSettings
from pairmill_indexer.config import IndexerConfig
from pairmill_indexer.loop import TOPICS, IndexLoop, IndexLoopSettings
from pairmill_indexer.metrics import IndexerMetrics
from pairmill_protos.unit.v1.unit_pb2 import Stage

log = structlog.get_logger(__name__)


def main(env: Mapping[str, str]) -> int:
    """Runs an indexer until it is told to stop; returns the exit code."""
    config = read_config(IndexerConfig, env)
    configure_logging(config.log_level, service="indexer", version=__version__)
    log.info("configured", **redacted(config))
    with ExitStack() as stack:
        clock, registry = SystemClock(), CollectorRegistry()
        show_scratch(registry, config.scratch)
        show_expiry(registry, clock, config)
        bus = MeasuredBus(
            stack.enter_context(open_bus(config.bus_url, config.kafka)), BusMetrics(registry), clock
        )
        store = stack.enter_context(open_store(config.store_url, config.s3))  # to see whether it is there
        loop = IndexLoop(
            _loop_settings(config),
            ChildBuilder(_child_settings(config)),
            bus=bus,
            clock=clock,
            stage=StageMetrics(registry, stage=Stage.STAGE_INDEX, clock=clock),
            observer=IndexerMetrics(registry),
        )
        startup = startup_of(bus, (*TOPICS, DEAD_LETTERS_TOPIC), store, clock, registry)
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
        log.info("service_started", member=config.member)
        code = loop.run() if startup.wait() else 0
    log.info("service_stopped", exit_code=code)
    return code


def _loop_settings(config: IndexerConfig) -> IndexLoopSettings:
    return IndexLoopSettings(
        member=member_name(config.member),
        max_attempts=config.max_attempts,
        stop_seconds=config.stop_seconds,
        max_silence_seconds=config.max_silence_seconds,
    )


def _child_settings(config: IndexerConfig) -> ChildSettings:
    return ChildSettings(
        store_url=config.store_url,
        s3=config.s3,
        scratch=config.scratch,
        memory_bytes=config.memory_bytes,
        threads=config.threads,
        max_segments=config.max_segments,
        log_level=config.log_level,
    )
