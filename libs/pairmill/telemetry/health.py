"""What liveness and readiness say, as measures: an alert needs no probe of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pairmill.telemetry.checks import Check, problems


class HealthCollector(Collector):
    """Makes the checks when it is asked for measures. Thread-safe as the checks are."""

    def __init__(self, live: Mapping[str, Check], ready: Mapping[str, Check]) -> None:
        self._live = live
        self._ready = ready

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yields the families without values, so that registering makes no check."""
        yield _live_family()
        yield _ready_family()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yields 1 for each check without a problem, else 0."""
        for family, checks in ((_live_family(), self._live), (_ready_family(), self._ready)):
            for name, problem in problems(checks).items():
                family.add_metric([name], float(problem is None))
            yield family


def _live_family() -> GaugeMetricFamily:
    return GaugeMetricFamily("pairmill_live", "Whether a check of /livez passes.", labels=["check"])


def _ready_family() -> GaugeMetricFamily:
    return GaugeMetricFamily("pairmill_ready", "Whether a check of /readyz passes.", labels=["check"])
