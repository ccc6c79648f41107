"""What an explorer's exports show of themselves."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from pairmill_explorer.subsets.exports.job import End, EndRecord


class ExportMetrics:
    """Takes the measures of exports into a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ended = Counter(
            "pairmill_exports",
            "Exports of subsets that this process brought to an end, by how they ended.",
            ("state",),
            registry=registry,
        )
        self._samples = Counter(
            "pairmill_exported_samples",
            "Samples of exports that this process completed.",
            registry=registry,
        )
        self._bytes = Counter(
            "pairmill_exported_bytes",
            "Bytes of exports that this process completed.",
            registry=registry,
        )
        self._open = Gauge(
            "pairmill_exports_open",
            "Exports that are at work in this process or wait in it.",
            registry=registry,
        )
        for state in End:
            self._ended.labels(state.value)

    def ended(self, end: EndRecord) -> None:
        """Counts an export that ended."""
        self._ended.labels(end.state.value).inc()
        if end.state is End.COMPLETE:
            self._samples.inc(end.rows)
            self._bytes.inc(end.bytes)

    def show_open(self, are_open: Callable[[], int]) -> None:
        """Shows how many exports there are."""
        self._open.set_function(are_open)
