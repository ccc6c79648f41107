"""A gateway that drives the one job of a machine: its parts in the order they depend on each other."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from contextlib import ExitStack

from prometheus_client import CollectorRegistry

from pairmill import __version__
from pairmill.bus.factory import open_bus
from pairmill.bus.port import TopicPartition
from pairmill.clock import SystemClock
from pairmill.config import read_config
from pairmill.dataset.reader import Dataset
from pairmill.errors import ConfigurationError
from pairmill.service import end_with_parent, leave_reason
from pairmill.stage.checkpoints import checkpoints_of
from pairmill.stage.loop import GAVE_UP
from pairmill.store.factory import open_store
from pairmill.telemetry.admin import AdminServer
from pairmill.telemetry.checks import PingCheck
from pairmill.telemetry.disk import show_scratch
from pairmill.telemetry.logs import configure_logging
from pairmill.units import PROGRESS_TOPIC
from pairmill_gateway.adapters.status_file import StatusFile
from pairmill_gateway.config import GatewayConfig
from pairmill_gateway.driver import JobDriver
from pairmill_gateway.finisher import DatasetFinisher
from pairmill_gateway.janitor import Janitor, repair_inputs
from pairmill_gateway.loop import GatewayLoop
from pairmill_gateway.metrics import GatewayMetrics
from pairmill_gateway.report import collect_facts, render_report
from pairmill_gateway.retention import retention_of
from pairmill_gateway.workshop import dataset_files
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef


def drive_job(env: Mapping[str, str]) -> int:
    """Drives one job to its end; returns the exit code."""
    config = read_config(GatewayConfig, env)
    configure_logging(config.log_level, service="gateway", version=__version__)
    with ExitStack() as stack:
        bus = stack.enter_context(open_bus(config.bus_url))
        store = stack.enter_context(open_store(config.store_url))
        source = dataset_files(config.store_url, store)
        clock, registry, spec_ref = SystemClock(), CollectorRegistry(), spec_reference(config)
        checkpoints = checkpoints_of(config.kill_at)
        finisher = DatasetFinisher(bus, store, source, config.scratch, _report, checkpoints)
        show_scratch(registry, config.scratch)
        sink = GatewayMetrics(registry, StatusFile(config.status_file))
        retention = retention_of(config.bus_url, bus, TopicPartition(PROGRESS_TOPIC, 0), clock)
        janitor = Janitor(store, source, checkpoints)
        loop = GatewayLoop(
            lambda: JobDriver(
                spec_ref,
                bus=bus,
                store=store,
                clock=clock,
                finisher=finisher,
                sink=sink,
                reissue_after_seconds=config.reissue_after_seconds,
                checkpoints=checkpoints,
                retention=retention,
                observer=sink,
            ),
            lambda ended: janitor.sweep(ended.job_id, repair_inputs(store, spec_ref)),
            clock=clock,
            poll_seconds=config.poll_seconds,
            give_up_seconds=config.give_up_seconds,
        )
        stack.enter_context(
            AdminServer(
                host=config.admin_host,
                port=config.admin_port,
                registry=registry,
                live={"loop": loop.is_live},
                ready={
                    "loop": loop.is_ready,
                    "bus": PingCheck(bus.ping, clock),
                    "store": PingCheck(store.ping, clock),
                },
            )
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: loop.request_stop())
        if config.watch_stdin:
            end_with_parent()
        code = loop.run()
        if code == GAVE_UP:
            leave_reason(config.reason_file, loop.gave_up)
        return code


def _report(dataset: Dataset) -> str:
    return render_report(collect_facts(dataset))


def spec_reference(config: GatewayConfig) -> ObjectRef:
    """Returns the reference of the job's spec, as its tasks carry it."""
    try:
        digest = bytes.fromhex(config.spec_sha256)
    except ValueError as error:
        raise ConfigurationError("PAIRMILL_SPEC_SHA256: is no hex number; give 64 hex digits") from error
    return ObjectRef(key=config.spec_key, bytes=config.spec_bytes, sha256=digest, rows=1, role="spec")
