"""A finaliser's process: its parts in the order they depend on each other."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from pairmill import __version__
from pairmill.config import read_configs
from pairmill.groups import stage_group
from pairmill.service import ServiceConfig, run_stage
from pairmill.telemetry.logs import configure_logging
from pairmill_finaliser.config import FinaliserConfig
from pairmill_finaliser.handler import FinaliseHandler


def main(env: Mapping[str, str]) -> int:
    """Runs a finaliser until it is told to stop; returns the exit code."""
    service, config = read_configs(env, ServiceConfig, FinaliserConfig)
    configure_logging(service.log_level, service="finaliser", version=__version__)
    handler = FinaliseHandler(config)
    return run_stage(service, handler, group=stage_group(handler.stage), registry=CollectorRegistry())
