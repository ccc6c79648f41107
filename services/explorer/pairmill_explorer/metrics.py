"""Every metric that the explorer owns, besides those of its gRPC API."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

STATUSES: Final = (200, 204, 304, 400, 401, 403, 404, 405, 409, 413, 429, 499, 500, 501, 503, 504, 507)
"""All that a request can end with."""

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30)


class HttpMetrics:
    """Takes the web server's measures into a registry."""

    def __init__(self, registry: CollectorRegistry, routes: Collection[str]) -> None:
        self._requests = Counter(
            "pairmill_http_requests",
            "Requests of the web server by route and how they ended.",
            ("route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "pairmill_http_duration_seconds",
            "How long requests of the web server took, the sending of the answer left out.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._connections = Gauge(
            "pairmill_http_connections",
            "Connections of the web server that are open.",
            registry=registry,
        )
        self._seconds_of = {route: self._seconds.labels(route) for route in routes}
        self._requests_of = {
            (route, status): self._requests.labels(route, str(status))
            for route in routes
            for status in STATUSES
        }

    def ended(self, route: str, status: int, seconds: float) -> None:
        """Counts a request that was answered."""
        counted = self._requests_of.get((route, status)) or self._requests.labels(route, str(status))
        counted.inc()
        self._seconds_of[route].observe(seconds)

    def show_connections(self, are_open: Callable[[], int]) -> None:
        """Shows how many connections there are."""
        self._connections.set_function(are_open)


def register_load(registry: CollectorRegistry, workers: Load, pictures: Load, quota: Refusals) -> None:
    """Shows how much is at work, and what was refused because it is too much."""
    Gauge(
        "pairmill_work_calls",
        "Calls that are worked on or wait for a thread.",
        registry=registry,
    ).set_function(lambda: workers.given)
    Gauge(
        "pairmill_work_pictures",
        "Pictures that are read or wait for a thread.",
        registry=registry,
    ).set_function(lambda: pictures.given)
    registry.register(_Refused({"quota": quota, "work": workers, "pictures": pictures}))


class Refusals(Protocol):
    """Something that refuses calls."""

    @property
    def refused(self) -> int:
        """Calls that were refused."""
        ...


class Load(Refusals, Protocol):
    """Something that works on calls."""

    @property
    def given(self) -> int:
        """Calls that are at work or wait."""
        ...


class _Refused(Collector):
    """Counts refusals where they are made."""

    def __init__(self, refusals: Mapping[str, Refusals]) -> None:
        self._refusals = refusals

    def collect(self) -> Iterator[Metric]:
        """Yields the counts as of now."""
        family = CounterMetricFamily(
            "pairmill_refused_calls",
            "Calls that were refused because there were too many.",
            labels=["cause"],
        )
        for cause, refusals in self._refusals.items():
            family.add_metric([cause], refusals.refused)
        yield family
