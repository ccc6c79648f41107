"""A scorer's process: its parts in the order they depend on each other."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from pairmill import __version__
from pairmill.config import read_configs
from pairmill.groups import stage_group
from pairmill.service import ServiceConfig, run_stage
from pairmill.telemetry.logs import configure_logging
from pairmill_models.bundle import load_bundle
from pairmill_scorer.config import ScorerConfig
from pairmill_scorer.handler import ScoreHandler
from pairmill_scorer.metrics import ScorerMetrics
from pairmill_scorer.parts import score_parts


def main(env: Mapping[str, str]) -> int:
    """Runs a scorer until it is told to stop; returns the exit code."""
    service, config = read_configs(env, ServiceConfig, ScorerConfig)
    configure_logging(service.log_level, service="scorer", version=__version__)
    registry = CollectorRegistry()
    bundle = load_bundle(config.bundle, wanted_digest=config.bundle_digest)
    handler = ScoreHandler(score_parts(config, bundle, ScorerMetrics(registry)))
    group = stage_group(handler.stage, bundle_digest=bundle.digest)
    return run_stage(service, handler, group=group, registry=registry)
