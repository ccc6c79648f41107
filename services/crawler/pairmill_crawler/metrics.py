"""Every metric that the crawler owns, besides those of the stage loop."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class CrawlerMetrics:
    """Takes a crawler's measures into a registry. Thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._bytes = Counter("pairmill_wat_bytes", "Bytes read of WATs, as stored.", registry=registry)
        self._deaths = Counter(
            "pairmill_child_deaths", "Child processes that died or were ended at work.", registry=registry
        )

    def read(self, size: int) -> None:
        """Counts bytes that were read and worked on."""
        self._bytes.inc(size)

    def child_died(self) -> None:
        """Counts the death of a child process."""
        self._deaths.inc()
