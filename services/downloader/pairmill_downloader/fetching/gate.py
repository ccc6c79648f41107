"""One polite client per host (U10): the queues of `turns` on an event loop."""

from __future__ import annotations

import asyncio
import math
from types import TracebackType

from pairmill.clock import Clock
from pairmill.domains import registrable_domain
from pairmill_downloader.fetching.turns import Ticket, Turns
from pairmill_downloader.permit import LOOK_SECONDS, Permit
from pairmill_protos.job.v1.job_pb2 import DownloadRules


class PoliteGate:
    """Keeps hosts and registrable domains to their rate and connections. Used from one event loop."""

    def __init__(self, clock: Clock, permit: Permit | None = None) -> None:
        """Without a `permit` turns are given at any time."""
        self._clock = clock
        self._permit = permit or Permit()
        self._turns = Turns()
        self._waiting: dict[Ticket, asyncio.Future[None]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def turn(
        self, host: str, domain: str, rules: DownloadRules, *, deadline: float, divided_by: int = 1
    ) -> _Turn:
        """Waits for the host's turn and holds one of its connections within the context.

        Gives False if the turn does not come before `deadline` (of the clock's `monotonic`), at once
        where that can be foreseen. A part `1 / divided_by` of the rate is used.
        """
        return _Turn(self, _ticket(host, domain, rules, deadline, divided_by))

    async def further_start(
        self, host: str, domain: str, rules: DownloadRules, *, deadline: float, divided_by: int = 1
    ) -> bool:
        """Waits until a fetch that has a turn may start another request; False if it comes too late."""
        ticket = _ticket(host, domain, rules, deadline, divided_by)
        ticket.is_further = True
        try:
            return await self.wait(ticket)
        finally:
            self.end(ticket)

    def wait_at_least(self, host: str, seconds: float) -> None:
        """Lets no request to a host start for so long: what Retry-After or Crawl-delay asks for."""
        now = self._clock.monotonic()
        domain = registrable_domain(host)
        for ticket in self._turns.pause(host, domain, now + seconds, now):
            self._decided(ticket)
        self._schedule(domain, now)

    def all_contacted_now(self) -> None:
        """Treats every host as just contacted: another process may have asked it a moment ago (U10)."""
        self._turns.all_contacted(self._clock.monotonic())

    async def wait(self, ticket: Ticket) -> bool:
        """Waits until a ticket is decided; whether it is granted."""
        now = self._clock.monotonic()
        self._turns.ask(ticket, now)
        if ticket.is_waiting:
            self._grant(ticket.domain, now)
        if ticket.is_waiting:
            future = asyncio.get_running_loop().create_future()
            self._waiting[ticket] = future
            try:
                async with asyncio.timeout(_finite(ticket.deadline - now)):
                    await future
            except TimeoutError:
                pass
            finally:
                self._waiting.pop(ticket, None)
            if ticket.is_granted:
                self._turns.started(ticket, self._clock.monotonic())
        return ticket.is_granted

    def end(self, ticket: Ticket) -> None:
        """Ends a turn or the wait for it."""
        now = self._clock.monotonic()
        self._turns.end(ticket, now)
        self._grant(ticket.domain, now)

    def _grant(self, domain: str, now: float) -> None:
        if not self._permit.ask():
            self._look_again(domain)
            return
        for ticket in self._turns.grant(domain, now):
            self._decided(ticket)
        self._schedule(domain, now)

    def _decided(self, ticket: Ticket) -> None:
        future = self._waiting.get(ticket)
        if future is not None and not future.done():
            future.set_result(None)

    def _schedule(self, domain: str, now: float) -> None:
        timer = self._timers.pop(domain, None)
        if timer is not None:
            timer.cancel()
        at = self._turns.next_time(domain)
        if at is not None:
            loop = asyncio.get_running_loop()
            self._timers[domain] = loop.call_later(max(0.0, at - now), self._due, domain)

    def _look_again(self, domain: str) -> None:
        """Nobody has a turn while the partitions may be another's (U10)."""
        timer = self._timers.pop(domain, None)
        if timer is not None:
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._timers[domain] = loop.call_later(LOOK_SECONDS, self._due, domain)

    def _due(self, domain: str) -> None:
        self._timers.pop(domain, None)
        self._grant(domain, self._clock.monotonic())


class _Turn:
    """A turn as a context, entered once."""

    def __init__(self, gate: PoliteGate, ticket: Ticket) -> None:
        self._gate = gate
        self._ticket = ticket

    async def __aenter__(self) -> bool:
        try:
            return await self._gate.wait(self._ticket)
        except BaseException:
            self._gate.end(self._ticket)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._gate.end(self._ticket)


def _ticket(host: str, domain: str, rules: DownloadRules, deadline: float, divided_by: int) -> Ticket:
    return Ticket(
        host=host,
        domain=domain,
        delay=rules.host_delay_seconds,
        connections=max(1, rules.host_connections),
        deadline=deadline,
        divided_by=divided_by,
    )


def _finite(seconds: float) -> float | None:
    return None if math.isinf(seconds) else seconds
