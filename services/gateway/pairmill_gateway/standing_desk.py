"""Answers stages before they start work (U2a)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pairmill_gateway.book import Book
from pairmill_gateway.cluster_job import NotReadYetError
from pairmill_gateway.running import RunningJobs
from pairmill_protos.gateway.v1.unit_service_pb2 import UnitKey, UnitStanding

_HOLD_SECONDS: Final = 0.3  # stages wait for a second; no answer means that all is wanted


class StandingDesk:
    """Implements `rpc.ports.Standings`. Thread-safe. What it does not know is wanted."""

    def __init__(self, book: Book, running: RunningJobs) -> None:
        self._book = book
        self._running = running

    def ask(self, units: Sequence[UnitKey]) -> Sequence[UnitStanding]:
        """Returns the standing of each unit, in order; each job is looked at once."""
        found: dict[int, UnitStanding] = {}
        by_job: dict[str, list[int]] = {}
        for number, unit in enumerate(units):
            by_job.setdefault(unit.job_id, []).append(number)
        for job_id, numbers in by_job.items():
            standings = self._of_job(job_id, [units[number] for number in numbers])
            found.update(zip(numbers, standings, strict=True))
        return [found[number] for number in range(len(units))]

    def _of_job(self, job_id: str, units: list[UnitKey]) -> list[UnitStanding]:
        entry, job = self._book.get(job_id), self._running.get(job_id)
        if entry is not None and (entry.ended is not None or entry.cancel is not None):
            return [UnitStanding(wanted=False) for _ in units]
        if job is None:
            return [UnitStanding(wanted=True) for _ in units]
        try:
            with job.held(_HOLD_SECONDS) as follower:
                return [
                    UnitStanding(
                        wanted=follower.walk.is_wanted(unit.unit_id, unit.input_digest),
                        starts=follower.starts(unit.unit_id, unit.input_digest),
                    )
                    for unit in units
                ]
        except NotReadYetError:
            return [UnitStanding(wanted=True) for _ in units]
