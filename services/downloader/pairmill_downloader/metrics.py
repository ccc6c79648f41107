"""Every metric that the downloader owns, besides those of the stage loop."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from pairmill.reasons import reason_name
from pairmill.telemetry.endings import possible_endings
from pairmill_protos.common.v1.outcome_pb2 import Reason
from pairmill_protos.unit.v1.unit_pb2 import Stage

_FETCH_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60)
_WAIT_SECONDS: Final = (0.001, 0.01, 0.1, 0.5, 1, 5, 30, 60, 300, 600, 1800)
_EXAMINE_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 20, 80)


class DownloadMetrics:
    """Takes the measures of downloading into a registry. Thread-safe; labels come from closed sets."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._fetches = Counter(
            "pairmill_fetches",
            "Attempts at a URL by how they ended; empty for a body.",
            ("reason",),
            registry=registry,
        )
        self._bytes = Counter(
            "pairmill_downloaded_bytes", "Bytes of the bodies that arrived whole.", registry=registry
        )
        self._images = Counter(
            "pairmill_images_examined",
            "Bodies by what was found out; empty for a stored image.",
            ("reason",),
            registry=registry,
        )
        self._fetch_seconds = Histogram(
            "pairmill_fetch_duration_seconds",
            "Time from a host's turn to the end of the attempt.",
            buckets=_FETCH_SECONDS,
            registry=registry,
        )
        self._wait_seconds = Histogram(
            "pairmill_host_wait_seconds",
            "Time that a free connection waited for its host's turn.",
            buckets=_WAIT_SECONDS,
            registry=registry,
        )
        self._domains = Gauge(
            "pairmill_domains_served",
            "Registrable domains with URLs left, by each unit at work; once for each connection to one.",
            registry=registry,
        )
        self._fetching = Gauge(
            "pairmill_fetches_in_flight", "Attempts at URLs that are under way.", registry=registry
        )
        self._examine_seconds = Histogram(
            "pairmill_examine_duration_seconds",
            "Time to examine a body, the wait for a free decoder included.",
            buckets=_EXAMINE_SECONDS,
            registry=registry,
        )
        for _, reason in possible_endings(Stage.STAGE_DOWNLOAD):
            self._fetches.labels(reason_name(reason))
            self._images.labels(reason_name(reason))

    def fetched(self, reason: Reason.ValueType, body_bytes: int, seconds: float) -> None:
        """Counts an attempt at a URL."""
        self._fetches.labels(reason_name(reason)).inc()
        self._bytes.inc(body_bytes)
        self._fetch_seconds.observe(seconds)

    def serving(self, change: int) -> None:
        """Counts domains in or out."""
        self._domains.inc(change)

    def fetching(self, change: int) -> None:
        """Counts attempts in or out."""
        self._fetching.inc(change)

    def waited(self, seconds: float) -> None:
        """Counts a wait for a host's turn."""
        self._wait_seconds.observe(seconds)

    def examined(self, reason: Reason.ValueType, seconds: float) -> None:
        """Counts a body that was examined."""
        self._images.labels(reason_name(reason)).inc()
        self._examine_seconds.observe(seconds)
