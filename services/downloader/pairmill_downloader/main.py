"""A downloader's process: its parts in the order they depend on each other."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from pairmill import __version__
from pairmill.clock import SystemClock
from pairmill.config import read_configs
from pairmill.groups import stage_group
from pairmill.service import ServiceConfig, run_stage
from pairmill.stage.members import CommonPartitions
from pairmill.telemetry.logs import configure_logging
from pairmill.units import STAGE_TOPICS
from pairmill_downloader.adapters.decoders import DecoderPool
from pairmill_downloader.adapters.network import open_network
from pairmill_downloader.config import DownloaderConfig
from pairmill_downloader.engine import Engine
from pairmill_downloader.handler import DownloadHandler, DownloadParts
from pairmill_downloader.known_good import check_known_good
from pairmill_downloader.metrics import DownloadMetrics
from pairmill_downloader.permit import Permit
from pairmill_protos.unit.v1.unit_pb2 import Stage


def main(env: Mapping[str, str]) -> int:
    """Runs a downloader until it is told to stop; returns the exit code."""
    service, config = read_configs(env, ServiceConfig, DownloaderConfig)
    configure_logging(service.log_level, service="downloader", version=__version__)
    registry, clock = CollectorRegistry(), SystemClock()
    partitions = CommonPartitions(STAGE_TOPICS[Stage.STAGE_DOWNLOAD])
    permit = Permit()
    pool = DecoderPool(processes=config.decode_processes, memory_bytes=config.decode_memory_bytes)
    handler = DownloadHandler(
        DownloadParts(
            engine=Engine(lambda: open_network(config, clock, partitions=partitions.count, permit=permit)),
            examiner=pool,
            observer=DownloadMetrics(registry),
            clock=clock,
            check_examiner=lambda: check_known_good(pool),
            permit=permit,
        )
    )
    return run_stage(
        service,
        handler,
        group=stage_group(handler.stage),
        registry=registry,
        learn=partitions.learn,
        own=[config],
    )
