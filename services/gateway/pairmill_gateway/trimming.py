"""Ends the ledger's growth: what no job needs any more is deleted from the topic (U19)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, Protocol

import structlog

from pairmill.bus.port import TopicPartition
from pairmill.clock import Clock
from pairmill.errors import PairmillError
from pairmill.units import LEDGER_TOPIC
from pairmill_gateway.book import JobEntry

log = structlog.get_logger(__name__)

TRIM_SECONDS: Final = 600.0
"""Between two looks: there is no hurry, and brokers free room by whole segments."""


class Ledger(Protocol):
    """A bus, as far as its ledger is trimmed."""

    def end_offset(self, source: TopicPartition) -> int:
        """Returns the offset that the next message will have at the earliest."""
        ...

    def trim(self, source: TopicPartition, before: int) -> None:
        """Deletes messages with smaller offsets."""
        ...


class Jobs(Protocol):
    """The book of all jobs."""

    @property
    def is_whole(self) -> bool:
        """Whether every record of a job could be read."""
        ...

    def catch_up(self) -> int:
        """Reads what is new."""
        ...

    def entries(self) -> list[JobEntry]:
        """Returns all jobs."""
        ...


class LedgerTrimming:
    """Looks now and then. Any number of gateways may: a place that is not needed never is again."""

    def __init__(self, ledger: Ledger, jobs: Jobs, clock: Clock) -> None:
        self._ledger = ledger
        self._jobs = jobs
        self._clock = clock
        self._next_look = 0.0
        self._trimmed: dict[int, int] = {}

    def apply(self, partitions: Collection[int]) -> None:
        """Trims these partitions of the ledger, if it is time. What goes wrong is tried again later."""
        if not partitions or self._clock.monotonic() < self._next_look:
            return
        self._next_look = self._clock.monotonic() + TRIM_SECONDS
        try:
            for partition in sorted(partitions):
                self._trim(TopicPartition(LEDGER_TOPIC, partition))
        except PairmillError as error:  # it takes a right of its own on the broker; jobs go on without
            log.warning("ledger_not_trimmed", error=str(error))

    def _trim(self, source: TopicPartition) -> None:
        end = self._ledger.end_offset(source)  # before the jobs are read: one that is not among them then
        self._jobs.catch_up()  # has all its records behind it
        if not self._jobs.is_whole:
            log.warning("ledger_not_trimmed", error="a record of a job cannot be read")
            return
        place = needed_from(self._jobs.entries(), source.partition, end)
        if place > self._trimmed.get(source.partition, 0):
            self._ledger.trim(source, place)
            self._trimmed[source.partition] = place
            log.info("ledger_trimmed", partition=source.partition, before=place)


def needed_from(entries: Iterable[JobEntry], partition: int, end: int) -> int:
    """Returns the first place of a ledger partition that a job still needs, at most `end`."""
    needed = (
        entry.admitted.ledger_offset
        for entry in entries
        if entry.admitted.ledger_partition == partition and not is_done_with(entry)
    )
    return min((end, *needed))


def is_done_with(entry: JobEntry) -> bool:
    """Whether nobody reads a job's records any more.

    Its end is acknowledged, with the digests of the manifest and of the ledger as a file, and the last
    sweep is over: a stage that still worked for it then has long come back.
    """
    ended = entry.ended
    return entry.swept and ended is not None and bool(ended.manifest.sha256 and ended.ledger.sha256)
