"""What every process shows of itself: the version of its code, and what the system gives it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

from pairmill import __version__
from pairmill.telemetry.cpu import CpuCollector


def describe_process(registry: CollectorRegistry) -> None:
    """Adds build info, CPU time with children, and the standard `process_…` measures, without children."""
    info = Gauge("pairmill_build_info", "1, with the version of the code.", ("version",), registry=registry)
    info.labels(__version__).set(1)
    ProcessCollector(registry=registry)
    registry.register(CpuCollector())
