"""A fetch's way through the gate: its first request has the caller's turn, each further one waits."""

from __future__ import annotations

from pairmill.clock import Clock
from pairmill_downloader.fetching.targets import Target
from pairmill_downloader.ports import HopGate
from pairmill_protos.job.v1.job_pb2 import DownloadRules


class Trip:
    """The requests of one fetch, robots.txt and redirects included."""

    def __init__(
        self,
        gate: HopGate,
        clock: Clock,
        rules: DownloadRules,
        start: Target,
        *,
        partitions: int,
        wait_seconds: float,
    ) -> None:
        self._gate = gate
        self._clock = clock
        self._rules = rules
        self._start = start
        self._partitions = partitions
        self._wait_seconds = wait_seconds
        self._turn_is_used = False

    def use_turn(self) -> None:
        """The turn's moment has passed, so that the next request waits for another."""
        self._turn_is_used = True

    async def may_start(self, target: Target) -> bool:
        """Waits until a request may be sent; False if that would take too long.

        Requests that leave the domain are limited as one of many clients: another process owns that
        domain (U10).
        """
        if not self._turn_is_used:
            self._turn_is_used = True
            return True
        domain = target.domain
        return await self._gate.further_start(
            target.host,
            domain,
            self._rules,
            deadline=self._clock.monotonic() + self._wait_seconds,
            divided_by=1 if domain == self._start.domain else self._partitions,
        )
