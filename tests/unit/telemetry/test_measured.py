"""What is counted of a bus and a store, failures included."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from prometheus_client import CollectorRegistry

from pairmill.bus.port import Outgoing
from pairmill.errors import RetriableError
from pairmill.store.port import ObjectInfo
from pairmill.telemetry.bus import BusMetrics, MeasuredBus
from pairmill.telemetry.store import MeasuredStore, StoreMetrics
from tests.fakes.bus import MemoryBus
from tests.fakes.clock import ManualClock
from tests.fakes.store import MemoryStore

TOPIC: Final = "score-tasks"


class SlowBus(MemoryBus):
    """Takes two seconds to acknowledge; may be away."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock = clock
        self.away = False

    def publish(self, messages: object) -> None:
        self.clock.sleep(2)
        if self.away:
            raise RetriableError("no broker")


class SlowStore(MemoryStore):
    """Takes a second for each write; may be away."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(strict=False)
        self.clock = clock
        self.away = False

    def put(self, key: str, data: bytes) -> ObjectInfo:
        self.clock.sleep(1)
        if self.away:
            raise RetriableError("no store")
        return super().put(key, data)


def messages(count: int) -> list[Outgoing]:
    return [Outgoing(topic=TOPIC, partition=0, key=b"k", value=b"12345") for _ in range(count)]


def test_published_records_are_counted_once_they_are_acknowledged() -> None:
    registry, clock = CollectorRegistry(), ManualClock()
    behind = SlowBus(clock)
    bus, value = MeasuredBus(behind, BusMetrics(registry), clock), registry.get_sample_value
    assert value("pairmill_bus_published_records_total", {"topic": TOPIC}) == 0
    bus.publish([])
    bus.publish(messages(3))
    behind.away = True
    with pytest.raises(RetriableError):
        bus.publish(messages(7))
    assert value("pairmill_bus_published_records_total", {"topic": TOPIC}) == 3
    assert value("pairmill_bus_published_bytes_total") == 15
    assert value("pairmill_bus_publish_failures_total") == 1
    assert value("pairmill_bus_publish_seconds_count") == 2
    assert value("pairmill_bus_publish_seconds_sum") == 4


def test_calls_of_the_store_are_timed_and_their_bytes_counted(tmp_path: Path) -> None:
    registry, clock = CollectorRegistry(), ManualClock()
    behind = SlowStore(clock)
    store, value = MeasuredStore(behind, StoreMetrics(registry, clock)), registry.get_sample_value
    store.put("a", b"12345")
    (tmp_path / "b").write_bytes(b"123")
    store.put_file("b", tmp_path / "b")
    store.get("a")
    store.fetch("b", tmp_path / "c")
    store.get_range("a", 1, 2)
    assert store.stat("none") is None
    behind.away = True
    with pytest.raises(RetriableError):
        store.put("d", b"1234567")
    moved = {
        name: value("pairmill_store_bytes_total", {"operation": name}) for name in ("put", "get", "get_range")
    }
    assert moved == {"put": 8, "get": 8, "get_range": 2}
    assert value("pairmill_store_failures_total", {"operation": "put"}) == 1
    assert value("pairmill_store_failures_total", {"operation": "get"}) == 0
    assert value("pairmill_store_operation_seconds_count", {"operation": "put"}) == 3
    assert (value("pairmill_store_operation_seconds_sum", {"operation": "put"}) or 0) >= 2
    assert value("pairmill_store_operation_seconds_count", {"operation": "stat"}) == 1
