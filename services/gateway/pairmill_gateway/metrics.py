"""Every metric that the gateway owns."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge

from pairmill import __version__
from pairmill_gateway.ports import StatusSink
from pairmill_gateway.status import JobStatus


class GatewayMetrics:
    """Shows the status of the job as measures, and passes it on."""

    def __init__(self, registry: CollectorRegistry, behind: StatusSink) -> None:
        self._behind = behind
        self._units = Gauge("pairmill_job_units", "Units of the job.", ("standing",), registry=registry)
        self._candidates = Gauge(
            "pairmill_job_candidates", "Candidates of the job.", ("standing",), registry=registry
        )
        self._waves = Gauge("pairmill_job_waves_waiting", "Waves that are held back.", registry=registry)
        self._blocked = Gauge("pairmill_job_blocked", "Whether a unit holds the job up.", registry=registry)
        info = Gauge(
            "pairmill_build_info", "1, with the version of the code.", ("version",), registry=registry
        )
        info.labels(version=__version__).set(1)

    def show(self, status: JobStatus) -> None:
        """Takes the latest status."""
        self._units.labels(standing="open").set(status.units_open)
        self._units.labels(standing="closed").set(status.units_closed)
        self._candidates.labels(standing="planned").set(status.candidates)
        self._candidates.labels(standing="ended").set(status.ended)
        self._candidates.labels(standing="passed").set(status.passed)
        self._waves.set(status.waves_waiting)
        self._blocked.set(bool(status.blocked))
        self._behind.show(status)
