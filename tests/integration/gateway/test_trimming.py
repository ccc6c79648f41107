"""The ledger on a real broker: what no job needs any more goes, and jobs go on behind it (U19)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

import pytest

from deploy.local.kafka import KafkaServer
from pairmill.bus.port import TopicPartition
from pairmill.dataset.audit import audit
from pairmill.units import LEDGER_TOPIC
from pairmill_gateway.rpc.ports import Page
from pairmill_gateway.trimming import TRIM_SECONDS
from tests.fakes.bus import MemoryBus
from tests.fakes.cluster import CALLER, Cluster, Gateway
from tests.fakes.components import MakeKafka
from tests.fakes.kafka_broker import KafkaBroker

LEDGER: Final = TopicPartition(LEDGER_TOPIC, 0)
PATIENCE_SECONDS: Final = 180.0  # every look of this gateway's asks a broker


@pytest.fixture
def server(make_kafka: MakeKafka) -> KafkaServer:
    """A broker of the test's own: the topics have the names that they have everywhere."""
    return make_kafka()


@pytest.fixture
def broker(server: KafkaServer) -> Iterator[KafkaBroker]:
    with KafkaBroker((server.address,)) as broker:
        yield broker


def is_swept(gateway: Gateway, job_id: str) -> bool:
    entry = gateway.book.get(job_id)
    return entry is not None and entry.swept


@pytest.mark.long
def test_u19_a_job_runs_behind_records_that_are_gone(broker: KafkaBroker, tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, partitions=1, bus=cast("MemoryBus", broker))  # all of it that is used here
    gateway = cluster.gateway(sweep_again_seconds=0.0)
    first = cluster.admit(1)
    cluster.drive(gateway, until=lambda: is_swept(gateway, first), seconds=PATIENCE_SECONDS)
    shown = gateway.jobs.get(first, CALLER)
    cluster.clock.sleep(TRIM_SECONDS)
    gateway.loop.turn()
    assert broker.end_offset(LEDGER) > 0
    assert broker.read(LEDGER, start=0, max_records=10) == []
    heir = cluster.gateway()
    second = cluster.admit(2)
    cluster.drive(heir, until=lambda: heir.ended(second) is not None, seconds=PATIENCE_SECONDS)
    assert heir.jobs.get(first, CALLER) == shown
    assert heir.audits.orphans(first, Page(size=9), CALLER).orphans == []
    assert audit(cluster.out / second).findings == ()
    left = broker.read(LEDGER, start=0, max_records=1)
    assert left[0].offset >= 1, "its records stand behind those that are gone"
