"""A planner's process: its parts in the order they depend on each other."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from pairmill import __version__
from pairmill.config import read_configs
from pairmill.groups import stage_group
from pairmill.service import ServiceConfig, run_stage
from pairmill.telemetry.logs import configure_logging
from pairmill_planner.config import PlannerConfig
from pairmill_planner.handler import PlanHandler


def main(env: Mapping[str, str]) -> int:
    """Runs a planner until it is told to stop; returns the exit code."""
    service, config = read_configs(env, ServiceConfig, PlannerConfig)
    configure_logging(service.log_level, service="planner", version=__version__)
    handler = PlanHandler(config)
    return run_stage(service, handler, group=stage_group(handler.stage), registry=CollectorRegistry())
