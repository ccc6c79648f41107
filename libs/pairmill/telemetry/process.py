"""What every process shows of itself: the version of its code, and what the system gives it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

from pairmill import __version__


def describe_process(registry: CollectorRegistry, *, service: str) -> None:
    """Adds build info and the standard `process_…` measures (CPU, memory, files; without child processes)."""
    info = Gauge(
        "pairmill_build_info",
        "1, with the version of the code.",
        ("service", "version"),
        registry=registry,
    )
    info.labels(service, __version__).set(1)
    ProcessCollector(registry=registry)
