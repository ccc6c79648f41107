"""Who asked what and when, so that tests can see whether a client was polite."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class HostRecord:
    """What one host saw. Times are monotonic seconds."""

    requests: int = 0  # for resources, robots.txt and tdmrep.json included
    pictures: int = 0  # for its resources alone
    robots: int = 0  # for robots.txt
    in_flight: int = 0
    most_at_once: int = 0
    started_at: list[float] = field(default_factory=list)  # of each request, in order

    def least_gap_seconds(self) -> float:
        """Returns the least time between the starts of two requests; infinite with fewer than two."""
        pairs = zip(self.started_at, self.started_at[1:], strict=False)
        return min((later - earlier for earlier, later in pairs), default=float("inf"))


@dataclass(frozen=True, slots=True)
class Violation:
    """A request that a polite client does not make."""

    kind: str  # closed: robots.txt forbids it; robots_not_asked: sent before robots.txt was asked for
    url: str


class Journal:
    """Notes all requests in memory. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hosts: defaultdict[str, HostRecord] = defaultdict(HostRecord)
        self._violations: list[Violation] = []
        self._agents: set[str] = set()
        self._unknown: list[str] = []

    @contextmanager
    def request(self, host: str, now: float, agent: str) -> Iterator[HostRecord]:
        """Notes a request for as long as it is being answered."""
        with self._lock:
            self._agents.add(agent)
            record = self._hosts[host]
            record.requests += 1
            record.started_at.append(now)
            record.in_flight += 1
            record.most_at_once = max(record.most_at_once, record.in_flight)
        try:
            yield record
        finally:
            with self._lock:
                record.in_flight -= 1

    def violated(self, kind: str, url: str) -> None:
        """Notes a request that should not have been made."""
        with self._lock:
            self._violations.append(Violation(kind, url))

    def unknown(self, url: str) -> None:
        """Notes a request for something that does not exist."""
        with self._lock:
            self._unknown.append(url)

    def violations(self) -> list[Violation]:
        """Returns the requests that should not have been made, in order."""
        with self._lock:
            return list(self._violations)

    def hosts(self) -> dict[str, HostRecord]:
        """Returns what each host saw so far."""
        with self._lock:
            return dict(self._hosts)

    def agents(self) -> set[str]:
        """Returns the User-Agent headers seen."""
        with self._lock:
            return set(self._agents)

    def unknown_urls(self) -> list[str]:
        """Returns the requests that were answered with 404 because nothing is there."""
        with self._lock:
            return list(self._unknown)

    def facts(self) -> dict[str, object]:
        """Returns the journal as plain values for a file."""
        hosts = self.hosts()
        return {
            "requests": sum(record.requests for record in hosts.values()),
            "agents": sorted(self.agents()),
            "violations": [{"kind": entry.kind, "url": entry.url} for entry in self.violations()],
            "unknown": self.unknown_urls(),
            "hosts": {
                name: {
                    "requests": record.requests,
                    "pictures": record.pictures,
                    "robots": record.robots,
                    "most_at_once": record.most_at_once,
                    "least_gap_seconds": min(record.least_gap_seconds(), 1e9),
                }
                for name, record in sorted(hosts.items())
            },
        }
