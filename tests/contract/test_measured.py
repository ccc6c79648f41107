"""A measured bus and a measured store keep the contract of what they measure."""

from __future__ import annotations

from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from pairmill.bus.port import Bus
from pairmill.clock import SystemClock
from pairmill.store.port import ObjectStore
from pairmill.telemetry.bus import BusMetrics, MeasuredBus
from pairmill.telemetry.store import MeasuredStore, StoreMetrics
from tests.contract.bus_contract import Broker, BusContract
from tests.contract.store_contract import Damage, StoreContract
from tests.fakes.bus import MemoryBus
from tests.fakes.store import MemoryStore


class TestMeasuredStore(StoreContract):
    @pytest.fixture
    def memory(self) -> MemoryStore:
        return MemoryStore(strict=False)

    @pytest.fixture
    def store(self, memory: MemoryStore) -> ObjectStore:
        return MeasuredStore(memory, StoreMetrics(CollectorRegistry(), SystemClock()))

    @pytest.fixture
    def damage(self, memory: MemoryStore) -> Damage:
        def flip(key: str, place: int) -> None:
            data = bytearray(memory.objects[key])
            data[place] ^= 0xFF
            memory.objects[key] = bytes(data)

        return flip


class MeasuredBroker(MeasuredBus):
    """A measured bus over a broker, whose tools operators use past it."""

    def __init__(self, behind: MemoryBus) -> None:
        super().__init__(cast("Bus", behind), BusMetrics(CollectorRegistry()), SystemClock())
        self._broker = behind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


class TestMeasuredBus(BusContract):
    @pytest.fixture
    def bus(self) -> Broker:
        return cast("Broker", MeasuredBroker(MemoryBus(session_seconds=0.5)))
