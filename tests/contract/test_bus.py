"""The bus's contract over every adapter and the fake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pairmill.bus.sqlite import SqliteBus
from tests.contract.bus_contract import Broker, BusContract
from tests.fakes.bus import MemoryBus


class TestSqliteBus(BusContract):
    @pytest.fixture
    def bus(self, tmp_path: Path) -> Iterator[Broker]:
        with SqliteBus(tmp_path / "bus.db", session_seconds=1.0) as bus:
            yield bus


class TestMemoryBus(BusContract):
    @pytest.fixture
    def bus(self) -> Broker:
        return MemoryBus(session_seconds=0.5)
