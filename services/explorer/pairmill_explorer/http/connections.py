"""Connections: so many at once, in all and from one address, and none that dawdles for long."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from pairmill.clock import Clock
from pairmill_explorer.http.config import HttpConfig

LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What connections may take."""

    most: int
    most_per_address: int
    first_seconds: float  # from its opening to the first request
    next_seconds: float  # from a request's beginning to that of the next one

    @classmethod
    def of(cls, config: HttpConfig) -> ConnectionLimits:
        """Returns what a configuration allows."""
        slowest = config.timeout_seconds + config.reading_seconds
        return cls(
            most=config.max_connections,
            most_per_address=config.max_connections_per_address,
            first_seconds=config.first_request_seconds,
            next_seconds=max(slowest, config.idle_seconds),
        )


class Connections:
    """Stands before an HTTP protocol: counts its connections and cuts those that last too long.

    A connection is cut when no request began on it for so long: whoever sends one byte a second, or does not
    read an answer, holds its place for a bounded time. For one event loop.
    """

    def __init__(self, serve: Callable[[], asyncio.Protocol], limits: ConnectionLimits, clock: Clock) -> None:
        self._serve = serve
        self._limits = limits
        self._clock = clock
        self._open: dict[asyncio.BaseTransport, _Connection] = {}
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        """Returns how many are open."""
        return len(self._open)

    def __call__(self) -> asyncio.Protocol:
        """Returns the protocol of a connection that is about to open."""
        return _Connection(self._serve(), self)

    def request_begins(self, transport: asyncio.BaseTransport | None) -> None:
        """Notes that a request begins on a connection."""
        if transport is not None and (connection := self._open.get(transport)) is not None:
            connection.ends_at = self._clock.monotonic() + self._limits.next_seconds

    def opened(self, connection: _Connection, transport: asyncio.Transport) -> bool:
        """Takes a connection in; returns whether there was a place for it."""
        connection.address = _address(transport)
        if (
            len(self._open) >= self._limits.most
            or self._by_address[connection.address] >= self._limits.most_per_address
        ):
            return False
        connection.ends_at = self._clock.monotonic() + self._limits.first_seconds
        self._open[transport] = connection
        self._by_address[connection.address] += 1
        return True

    def closed(self, connection: _Connection, transport: asyncio.Transport) -> None:
        """Forgets a connection."""
        if self._open.pop(transport, None) is not None:
            self._by_address[connection.address] -= 1
            if not self._by_address[connection.address]:
                del self._by_address[connection.address]

    def cut_overdue(self) -> None:
        """Cuts what has lasted too long."""
        now = self._clock.monotonic()
        for connection in [*self._open.values()]:
            if connection.ends_at < now and connection.transport is not None:
                connection.transport.abort()

    async def watch(self) -> None:
        """Cuts what has lasted too long, again and again."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.cut_overdue()


class _Connection(asyncio.Protocol):
    """Passes everything on to the protocol that serves, once there is a place."""

    def __init__(self, inner: asyncio.Protocol, connections: Connections) -> None:
        self._inner = inner
        self._connections = connections
        self._taken = False
        self.transport: asyncio.Transport | None = None
        self.address = ""
        self.ends_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one by what it does only
        self._taken = self._connections.opened(self, self.transport)
        if self._taken:
            self._inner.connection_made(transport)
        else:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._taken and self.transport is not None:
            self._connections.closed(self, self.transport)
            self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._taken:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._taken else None

    def pause_writing(self) -> None:
        if self._taken:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._taken:
            self._inner.resume_writing()


def _address(transport: asyncio.Transport) -> str:
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""
