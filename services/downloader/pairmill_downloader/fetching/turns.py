"""When whose request may start: the rule of U10 without a loop, so that time is a number.

A host is one client's customer through its registrable domain: the least time between two starts and
the most requests at once hold for the domain as a whole, pauses (Retry-After, Crawl-delay) for the host
that asked for them. Turns of a host are given in the order asked for; hosts of a domain, too, unless
one is paused. *Further starts* of a fetch that has a turn go first and need no free connection: it
holds one already, and two hosts that redirect to each other would wait for ever.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

_FIRST_SWEEP: Final = 1024


class State(Enum):
    """Where a request stands."""

    WAITING = auto()
    GRANTED = auto()
    LATE = auto()  # its turn does not come before its deadline
    ENDED = auto()


@dataclass(slots=True, eq=False, kw_only=True)
class Ticket:
    """One request's place in the queue of its host; times are seconds of one monotonic clock."""

    host: str
    domain: str
    delay: float  # least time between two starts
    connections: int  # most turns at once
    deadline: float
    divided_by: int = 1  # this kind of request has that part of the domain's rate
    is_further: bool = False  # of a fetch that has a turn
    state: State = State.WAITING
    number: int = 0  # order of asking

    @property
    def is_waiting(self) -> bool:
        """Whether nothing is decided yet."""
        return self.state is State.WAITING

    @property
    def is_granted(self) -> bool:
        """Whether its request may be sent."""
        return self.state is State.GRANTED


@dataclass(slots=True, eq=False)
class _Host:
    free_at: float
    queue: deque[Ticket] = field(default_factory=deque)


@dataclass(slots=True, eq=False)
class _Domain:
    free_at: float
    busy: int = 0
    delay: float = 0.0  # of the last one who asked
    hosts: dict[str, _Host] = field(default_factory=dict)
    further: deque[Ticket] = field(default_factory=deque)
    divided: dict[int, float] = field(default_factory=dict)  # when a part of the rate is free again

    def waits(self) -> bool:
        return bool(self.further) or any(host.queue for host in self.hosts.values())


class Turns:
    """The queues of all hosts. Not thread-safe."""

    def __init__(self) -> None:
        self._domains: dict[str, _Domain] = {}
        self._contacted = float("-inf")
        self._sweep_at = _FIRST_SWEEP
        self._asked = 0

    def __len__(self) -> int:
        """Returns the number of domains remembered."""
        return len(self._domains)

    def ask(self, ticket: Ticket, now: float) -> None:
        """Puts a ticket in its queue, or says at once that it will be late."""
        domain = self._domain(ticket, now)
        host = domain.hosts.get(ticket.host)
        ahead = len(host.queue) if host is not None and not ticket.is_further else 0
        if self._earliest(domain, ticket, now) + ahead * ticket.delay > ticket.deadline:
            ticket.state = State.LATE
            return
        ticket.number = self._asked = self._asked + 1
        if ticket.is_further:
            domain.further.append(ticket)
        else:
            domain.hosts.setdefault(ticket.host, _Host(free_at=now)).queue.append(ticket)

    def grant(self, domain_name: str, now: float) -> list[Ticket]:
        """Returns the tickets of a domain that are decided now: granted, or late."""
        decided: list[Ticket] = []
        domain = self._domains.get(domain_name)
        while domain is not None:
            ticket = self._next(domain, now)
            if ticket is None:
                break
            decided.append(ticket)
            self._remove(domain, ticket)
            if now > ticket.deadline:
                ticket.state = State.LATE
                continue
            ticket.state = State.GRANTED
            domain.busy += not ticket.is_further
            self.started(ticket, now)
        return decided

    def started(self, ticket: Ticket, now: float) -> None:
        """Counts the distance to the next start from this moment: a busy loop wakes who waits late."""
        domain = self._domain(ticket, now)  # a further start does not keep its domain from being forgotten
        domain.free_at = max(domain.free_at, now + ticket.delay)
        if ticket.divided_by > 1:
            domain.divided[ticket.divided_by] = now + ticket.delay * ticket.divided_by

    def next_time(self, domain_name: str) -> float | None:
        """Returns when `grant` may have something to decide; None if only an end can change that."""
        domain = self._domains.get(domain_name)
        if domain is None:
            return None
        times = [self._earliest(domain, ticket, float("-inf")) for ticket in self._candidates(domain)]
        return min(times, default=None)

    def end(self, ticket: Ticket, now: float) -> None:
        """Ends a turn, or withdraws a ticket that waits."""
        domain = self._domains.get(ticket.domain)
        if domain is not None and ticket.is_waiting:
            self._remove(domain, ticket)
        elif domain is not None and ticket.is_granted and not ticket.is_further:
            domain.busy -= 1
        ticket.state = State.ENDED
        if domain is not None:
            _forget_idle_host(domain, ticket.host, now)
        if len(self._domains) > self._sweep_at:
            self._forget_idle(now)

    def pause(self, host_name: str, domain_name: str, until: float, now: float) -> list[Ticket]:
        """Lets no request to a host start before; returns those that will now be late."""
        domain = self._domains.setdefault(domain_name, _Domain(free_at=now))
        host = domain.hosts.setdefault(host_name, _Host(free_at=now))
        host.free_at = max(host.free_at, until)
        late = [
            ticket
            for ahead, ticket in enumerate(host.queue)
            if host.free_at + ahead * ticket.delay > ticket.deadline
        ]
        late += [
            ticket for ticket in domain.further if ticket.host == host_name and host.free_at > ticket.deadline
        ]
        for ticket in late:
            self._remove(domain, ticket)
            ticket.state = State.LATE
        return late

    def all_contacted(self, now: float) -> None:
        """Treats every domain, those never heard of included, as asked at this moment."""
        self._contacted = now
        for domain in self._domains.values():
            domain.free_at = max(domain.free_at, now + domain.delay)
            for part in domain.divided:
                domain.divided[part] = max(domain.divided[part], now + domain.delay * part)

    def _domain(self, ticket: Ticket, now: float) -> _Domain:
        domain = self._domains.get(ticket.domain)
        if domain is None:
            free_at = max(now, self._contacted + ticket.delay)
            domain = self._domains[ticket.domain] = _Domain(free_at=free_at)
        if ticket.divided_by > 1 and ticket.divided_by not in domain.divided:
            domain.divided[ticket.divided_by] = self._contacted + ticket.delay * ticket.divided_by
        domain.delay = ticket.delay
        return domain

    def _next(self, domain: _Domain, now: float) -> Ticket | None:
        """The ticket that is to be decided first, if any can be."""
        ready = [ticket for ticket in self._candidates(domain) if self._earliest(domain, ticket, now) <= now]
        return min(ready, key=lambda ticket: (not ticket.is_further, ticket.number), default=None)

    def _candidates(self, domain: _Domain) -> Iterator[Ticket]:
        yield from domain.further
        for host in domain.hosts.values():
            if host.queue and domain.busy < host.queue[0].connections:
                yield host.queue[0]

    def _earliest(self, domain: _Domain, ticket: Ticket, now: float) -> float:
        part = domain.divided.get(ticket.divided_by, now) if ticket.divided_by > 1 else now
        host = domain.hosts.get(ticket.host)
        return max(now, domain.free_at, host.free_at if host else now, part)

    def _remove(self, domain: _Domain, ticket: Ticket) -> None:
        queue = domain.further if ticket.is_further else domain.hosts[ticket.host].queue
        if queue[0] is ticket:
            queue.popleft()
        else:
            queue.remove(ticket)

    def _forget_idle(self, now: float) -> None:
        """Drops what has no effect any more; sweeps again when twice as much is left."""
        self._domains = {name: domain for name, domain in self._domains.items() if not _is_idle(domain, now)}
        for domain in self._domains.values():
            for name in list(domain.hosts):
                _forget_idle_host(domain, name, now)
        self._sweep_at = max(_FIRST_SWEEP, 2 * len(self._domains))


def _forget_idle_host(domain: _Domain, name: str, now: float) -> None:
    host = domain.hosts.get(name)
    if host is not None and not host.queue and host.free_at <= now:
        del domain.hosts[name]


def _is_idle(domain: _Domain, now: float) -> bool:
    times = [domain.free_at, *domain.divided.values(), *(host.free_at for host in domain.hosts.values())]
    return domain.busy == 0 and not domain.waits() and max(times) <= now
