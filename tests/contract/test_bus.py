"""The bus's contract over every adapter and the fake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.kafka import KafkaServer
from pairmill.bus.sqlite import SqliteBus
from tests.contract.bus_contract import GROUP, TOPIC, TWIN, Broker, BusContract
from tests.fakes.bus import MemoryBus
from tests.fakes.kafka_broker import KafkaBroker


class TestSqliteBus(BusContract):
    @pytest.fixture
    def bus(self, tmp_path: Path) -> Iterator[Broker]:
        with SqliteBus(tmp_path / "bus.db", session_seconds=1.0) as bus:
            yield bus


class TestMemoryBus(BusContract):
    @pytest.fixture
    def bus(self) -> Broker:
        return MemoryBus(session_seconds=0.5)


@pytest.fixture(scope="module")
def kafka_broker(kafka_server: KafkaServer) -> Iterator[KafkaBroker]:
    with KafkaBroker((kafka_server.address,)) as broker:
        yield broker


class TestKafkaBus(BusContract):
    @pytest.fixture
    def bus(self, kafka_broker: KafkaBroker) -> Broker:
        for topic in (TOPIC, TWIN):
            kafka_broker.delete_topic(topic)
        for group in (GROUP, "other"):
            kafka_broker.delete_group(group)
        return kafka_broker
