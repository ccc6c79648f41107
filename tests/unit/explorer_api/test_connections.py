"""Connections have places, and none dawdles for long."""

from __future__ import annotations

import asyncio
from typing import Any

from pairmill_explorer.http.connections import ConnectionLimits, Connections
from tests.fakes.clock import ManualClock

LIMITS = ConnectionLimits(most=3, most_per_address=2, first_seconds=10.0, next_seconds=100.0)


class FakeTransport(asyncio.Transport):
    """A transport that notes whether it was cut."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address, self.cut = address, False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return (self.address, 1) if name == "peername" else default

    def abort(self) -> None:
        self.cut = True


def opened(connections: Connections, address: str) -> tuple[asyncio.Protocol, FakeTransport]:
    protocol, transport = connections(), FakeTransport(address)
    protocol.connection_made(transport)
    return protocol, transport


def cut_ones(transports: list[FakeTransport]) -> list[bool]:
    return [transport.cut for transport in transports]


def test_h4_places_are_taken_and_given_back() -> None:
    connections = Connections(asyncio.Protocol, LIMITS, ManualClock())
    first, _ = opened(connections, "a")
    assert [opened(connections, who)[1].cut for who in ("a", "a", "b", "b")] == [False, True, False, True]
    assert len(connections) == 3
    first.connection_lost(None)
    assert len(connections) == 2
    assert not opened(connections, "a")[1].cut


def test_h4_a_connection_without_a_request_is_cut_and_one_with_has_longer() -> None:
    clock = ManualClock()
    connections = Connections(asyncio.Protocol, LIMITS, clock)
    _, mute = opened(connections, "a")
    _, asking = opened(connections, "b")
    connections.request_begins(asking)
    clock.sleep(11.0)
    connections.cut_overdue()
    assert cut_ones([mute, asking]) == [True, False]
    clock.sleep(50.0)
    connections.request_begins(asking)
    clock.sleep(99.0)
    connections.cut_overdue()
    assert cut_ones([asking]) == [False]
    clock.sleep(2.0)
    connections.cut_overdue()
    assert cut_ones([asking]) == [True]


def test_what_is_refused_hears_nothing_more() -> None:
    heard: list[bytes] = []

    class Inner(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            heard.append(data)

    connections = Connections(Inner, LIMITS, ManualClock())
    taken, _ = opened(connections, "a")
    opened(connections, "a")
    refused, _ = opened(connections, "a")
    refused.data_received(b"no")
    refused.eof_received()
    refused.connection_lost(None)
    taken.data_received(b"yes")
    assert heard == [b"yes"]
    assert len(connections) == 2
