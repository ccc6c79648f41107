"""An inference process: its parts in the order they depend on each other."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from pairmill import __version__
from pairmill.config import read_configs
from pairmill.groups import stage_group
from pairmill.service import ServiceConfig, run_stage
from pairmill.telemetry.logs import configure_logging
from pairmill_inference.config import InferenceConfig
from pairmill_inference.handler import EmbedHandler
from pairmill_inference.metrics import InferenceMetrics
from pairmill_inference.parts import embed_parts
from pairmill_models.bundle import load_bundle
from pairmill_models.triton_metrics import TritonMetrics


def main(env: Mapping[str, str]) -> int:
    """Runs an inference process until it is told to stop; returns the exit code."""
    service, config = read_configs(env, ServiceConfig, InferenceConfig)
    configure_logging(service.log_level, service="inference", version=__version__)
    registry = CollectorRegistry()
    bundle = load_bundle(config.bundle, wanted_digest=config.bundle_digest)
    requests = TritonMetrics(registry) if config.triton_target else None
    parts = embed_parts(config, bundle, InferenceMetrics(registry), requests)
    handler = EmbedHandler(parts)
    group = stage_group(handler.stage, bundle_digest=bundle.digest)
    pings = {"model": parts.model.embedder.ping}
    return run_stage(service, handler, group=group, registry=registry, pings=pings, own=[config])
