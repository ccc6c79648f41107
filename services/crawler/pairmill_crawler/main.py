"""A crawler's process: its parts in the order they depend on each other."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from pairmill import __version__
from pairmill.config import read_configs
from pairmill.groups import stage_group
from pairmill.service import ServiceConfig, run_stage
from pairmill.telemetry.logs import configure_logging
from pairmill_crawler.adapters.detectors import detector_named
from pairmill_crawler.adapters.pool import new_pool
from pairmill_crawler.config import CrawlerConfig
from pairmill_crawler.handler import CrawlHandler
from pairmill_crawler.metrics import CrawlerMetrics


def main(env: Mapping[str, str]) -> int:
    """Runs a crawler until it is told to stop; returns the exit code."""
    service, config = read_configs(env, ServiceConfig, CrawlerConfig)
    configure_logging(service.log_level, service="crawler", version=__version__)
    registry = CollectorRegistry()
    handler = CrawlHandler(config, new_pool(config, detector_named), CrawlerMetrics(registry))
    return run_stage(service, handler, group=stage_group(handler.stage), registry=registry)
