"""Lag of the owned partitions, and for how long each of them has not moved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import Gauge

from pairmill.bus.port import TopicPartition
from pairmill.clock import Clock


class PartitionProgress:
    """Shows two measures per owned partition. Told by one thread, read by those that scrape.

    The time since progress is computed when it is asked for, so that it grows on while a loop hangs.
    """

    def __init__(self, clock: Clock, *, lag: Gauge, quiet: Gauge) -> None:
        self._clock = clock
        self._lag = lag
        self._quiet = quiet
        self._since: dict[TopicPartition, float | None] = {}  # None: nothing waits

    def moved(self, partitions: Iterable[TopicPartition]) -> None:
        """The committed offsets of these partitions moved on."""
        for source in partitions:
            if self._since.get(source) is not None:
                self._since[source] = self._clock.monotonic()

    def looked(self, lag: Mapping[TopicPartition, int]) -> None:
        """The owned partitions, and no others, have this lag."""
        for source in self._since.keys() - lag.keys():
            del self._since[source]
            self._lag.remove(source.topic, source.partition)
            self._quiet.remove(source.topic, source.partition)
        for source, waiting in lag.items():
            if source not in self._since:
                self._quiet.labels(source.topic, source.partition).set_function(self._quiet_of(source))
            self._lag.labels(source.topic, source.partition).set(waiting)
            since = self._since.get(source)
            self._since[source] = (self._clock.monotonic() if since is None else since) if waiting else None

    def _quiet_of(self, source: TopicPartition) -> Callable[[], float]:
        def seconds() -> float:
            since = self._since.get(source)
            return 0.0 if since is None else self._clock.monotonic() - since

        return seconds
