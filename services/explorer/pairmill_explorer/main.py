"""An explorer's process: its parts in the order they depend on each other."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from functools import partial
from typing import Final

import structlog
from prometheus_client import CollectorRegistry

from pairmill import __version__
from pairmill.clock import SystemClock
from pairmill.config import read_config, redacted
from pairmill.errors import RetriableError
from pairmill.service import end_with_parent, stop_on_signals
from pairmill.store.directory import DirectoryStore
from pairmill.store.factory import open_store
from pairmill.store.port import ObjectStore
from pairmill.telemetry.admin import AdminServer
from pairmill.telemetry.disk import show_scratch
from pairmill.telemetry.expiry import show_expiry
from pairmill.telemetry.logs import configure_logging
from pairmill.telemetry.process import describe_process
from pairmill.telemetry.store import MeasuredStore, StoreMetrics
from pairmill_explorer.config import ExplorerConfig
from pairmill_explorer.dataset_metrics import DatasetCollector, why_none_serves
from pairmill_explorer.desks import opened_desks
from pairmill_explorer.open import Explorer, open_explorer
from pairmill_explorer.serving import serving

log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 0.5
"""A signal that another thread took in does not wake an endless wait."""


def main(env: Mapping[str, str]) -> int:
    """Serves datasets until it is told to stop; returns the exit code."""
    config = read_config(ExplorerConfig, env)
    configure_logging(config.log_level, service="explorer", version=__version__)
    log.info("configured", **redacted(config))
    with ExitStack() as stack:
        clock, registry, stop = SystemClock(), CollectorRegistry(), threading.Event()
        describe_process(registry)
        show_scratch(registry, config.core.scratch)
        show_expiry(registry, clock, config)
        explorer = stack.enter_context(_opened(config, stack, StoreMetrics(registry, clock), clock))
        with suppress(RetriableError):  # then they are started with the first image
            explorer.warm_up()
        registry.register(DatasetCollector(explorer.search))
        ready = partial(why_none_serves, explorer.datasets)
        desks = stack.enter_context(
            opened_desks(explorer, scratch=config.core.scratch, registry=registry, clock=clock)
        )
        running = stack.enter_context(
            serving(
                desks,
                http=config.http,
                rpc=config.rpc,
                work=config.work,
                registry=registry,
                clock=clock,
                ready=ready,
            )
        )
        admin = stack.enter_context(
            AdminServer(
                host=config.admin_host,
                port=config.admin_port,
                registry=registry,
                live={"web": running.is_live},
                ready={"datasets": ready},
            )
        )
        stop_on_signals(stop.set)
        if config.watch_stdin:
            end_with_parent()
        log.info("service_started", admin_port=admin.port)
        while not stop.wait(_LOOK_SECONDS):
            pass
        log.info("stopping")
    log.info("service_stopped", exit_code=0)
    return 0


def _opened(config: ExplorerConfig, stack: ExitStack, metrics: StoreMetrics, clock: SystemClock) -> Explorer:
    """Opens the stores of all datasets and a core over them."""

    def opened(url: str) -> ObjectStore:
        return _measured(stack.enter_context(open_store(url, config.s3)), metrics)

    stores = {name: opened(url) for name, url in config.datasets.items()}
    followed = opened(config.store_url) if config.store_url else None
    return open_explorer(stores, config.core, followed=followed, clock=clock)


def _measured(store: ObjectStore, metrics: StoreMetrics) -> ObjectStore:
    """Returns a store that counts what it is asked; a folder stays one: it is read where it lies."""
    return store if isinstance(store, DirectoryStore) else MeasuredStore(store, metrics)
