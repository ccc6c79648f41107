"""The ledger's topic keeps what a job may still need, and nothing else (U19)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from pairmill.bus.port import Outgoing, TopicPartition
from pairmill.dataset.audit import audit
from pairmill.errors import ConfigurationError
from pairmill.units import JOBS_TOPIC, LEDGER_TOPIC
from pairmill_gateway.book import JobEntry
from pairmill_gateway.rpc.ports import Page
from pairmill_gateway.trimming import TRIM_SECONDS, LedgerTrimming, needed_from
from pairmill_protos.gateway.v1.job_service_pb2 import JobState
from pairmill_protos.job.v1.job_pb2 import JobAdmitted, JobEnded
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef
from tests.fakes.bus import MemoryBus
from tests.fakes.clock import ManualClock
from tests.fakes.cluster import ALL, CALLER, Cluster, Gateway

LEDGER: Final = TopicPartition(LEDGER_TOPIC, 0)
PAGE: Final = Page(size=100, after="")
NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def start_of(cluster: Cluster) -> int:
    """The oldest place of the ledger that is left."""
    left = cluster.bus.read(LEDGER, start=0, max_records=1)
    return left[0].offset if left else cluster.bus.end_offset(LEDGER)


def later(cluster: Cluster, gateway: Gateway) -> None:
    """Lets the gateway work for longer than there is between two looks."""
    for _ in range(int(TRIM_SECONDS) // 50 + 2):
        gateway.loop.turn()
        cluster.clock.sleep(50.0)


def settled(cluster: Cluster, gateway: Gateway, job_id: str) -> None:
    """Waits for the last sweep of a job."""

    def is_swept() -> bool:
        entry = gateway.book.get(job_id)
        return entry is not None and entry.swept

    cluster.drive(gateway, until=is_swept)


def test_u19_records_of_jobs_that_are_over_go_and_those_behind_stay(cluster: Cluster) -> None:
    gateway = cluster.gateway(sweep_again_seconds=0.0)
    first = cluster.admit(2)
    cluster.drive(gateway, until=lambda: gateway.ended(first) is not None)
    place = cluster.bus.end_offset(LEDGER)
    second = cluster.admit(3)
    settled(cluster, gateway, first)
    later(cluster, gateway)
    assert place > 0
    assert start_of(cluster) == place, "where the second job begins"
    cluster.drive(gateway)
    assert audit(cluster.out / second).findings == ()
    settled(cluster, gateway, second)
    later(cluster, gateway)
    assert start_of(cluster) == cluster.bus.end_offset(LEDGER)


def test_u19_a_gateway_that_starts_afterwards_serves_ended_jobs_as_before(cluster: Cluster) -> None:
    gateway = cluster.gateway(sweep_again_seconds=0.0)
    job_id = cluster.admit(3)
    cluster.drive(gateway)
    settled(cluster, gateway, job_id)
    before = gateway.jobs.get(job_id, CALLER), gateway.audits.funnel(job_id, CALLER)
    later(cluster, gateway)
    assert start_of(cluster) == cluster.bus.end_offset(LEDGER) > 0
    heir = cluster.gateway()
    heir.loop.turn()
    assert (heir.jobs.get(job_id, CALLER), heir.audits.funnel(job_id, CALLER)) == before
    assert before[0].state == JobState.JOB_STATE_COMPLETE
    assert heir.audits.orphans(job_id, PAGE, CALLER).orphans == []
    assert heir.audits.dead_letters(job_id, PAGE, CALLER).letters == []
    third = cluster.admit(2)
    cluster.drive(heir)
    assert audit(cluster.out / third).findings == ()


def test_u19_before_the_last_sweep_nothing_goes(cluster: Cluster) -> None:
    gateway = cluster.gateway()
    cluster.admit(2)
    cluster.drive(gateway)
    later(cluster, gateway)
    assert start_of(cluster) == 0


def test_u19_what_an_operator_keeps_stays(cluster: Cluster) -> None:
    gateway = cluster.gateway(sweep_again_seconds=0.0, keeps_ledger=True)
    job_id = cluster.admit(2)
    cluster.drive(gateway)
    settled(cluster, gateway, job_id)
    later(cluster, gateway)
    assert start_of(cluster) == 0


def test_u19_who_does_not_own_the_ledger_deletes_nothing_of_it(cluster: Cluster) -> None:
    gateway = cluster.gateway(sweep_again_seconds=0.0)
    job_id = cluster.admit(2)
    cluster.drive(gateway)
    settled(cluster, gateway, job_id)
    gateway.loop.own(frozenset())
    later(cluster, gateway)
    assert start_of(cluster) == 0
    gateway.loop.own(ALL)
    later(cluster, gateway)
    assert start_of(cluster) > 0


def test_u19_while_a_record_of_a_job_cannot_be_read_nothing_goes(cluster: Cluster) -> None:
    gateway = cluster.gateway(sweep_again_seconds=0.0)
    job_id = cluster.admit(2)
    cluster.bus.publish([Outgoing(topic=JOBS_TOPIC, partition=0, key=b"unknown/spec", value=b"\xff\xff")])
    cluster.drive(gateway)
    settled(cluster, gateway, job_id)
    later(cluster, gateway)
    assert start_of(cluster) == 0


def entry(place: int, *, swept: bool = False, ended: JobEnded | None = None, partition: int = 0) -> JobEntry:
    admitted = JobAdmitted(job_id=f"job-{place}", ledger_offset=place, ledger_partition=partition)
    return JobEntry(admitted=admitted, admitted_at=NOON, swept=swept, ended=ended)


WHOLE: Final = JobEnded(
    state="complete", manifest=ObjectRef(sha256=b"manifest"), ledger=ObjectRef(sha256=b"ledger")
)


@pytest.mark.parametrize(
    ("entries", "place"),
    [
        pytest.param([], 90, id="no-job"),
        pytest.param([entry(10, swept=True, ended=WHOLE)], 90, id="over"),
        pytest.param([entry(10, swept=True, ended=WHOLE), entry(40)], 40, id="one-runs"),
        pytest.param([entry(10), entry(40, swept=True, ended=WHOLE)], 10, id="the-older-runs"),
        pytest.param([entry(10, ended=WHOLE)], 10, id="not-swept"),
        pytest.param([entry(10, swept=True, ended=JobEnded(state="complete"))], 10, id="no-digests"),
        pytest.param([entry(10, partition=1)], 90, id="elsewhere"),
        pytest.param([entry(95)], 90, id="behind-the-end"),
    ],
)
def test_u19_the_first_place_that_is_needed(entries: list[JobEntry], place: int) -> None:
    assert needed_from(entries, 0, 90) == place


class LateBook:
    """While the jobs are read, others write: a job that is admitted a moment later, and its first records."""

    is_whole = True

    def __init__(self, bus: MemoryBus) -> None:
        self._bus = bus

    def catch_up(self) -> int:
        write(self._bus, 3)
        return 0

    def entries(self) -> list[JobEntry]:
        return []


def write(bus: MemoryBus, records: int) -> None:
    bus.publish([Outgoing(topic=LEDGER_TOPIC, partition=0, key=b"k", value=b"v")] * records)


def ledger_of(records: int) -> MemoryBus:
    bus = MemoryBus()
    bus.create_topic(LEDGER_TOPIC, 1)
    write(bus, records)
    return bus


def test_u19_what_is_written_while_the_jobs_are_read_stays() -> None:
    bus = ledger_of(5)
    LedgerTrimming(bus, LateBook(bus), ManualClock()).apply(ALL)
    assert [message.offset for message in bus.read(LEDGER, start=0, max_records=10)] == [5, 6, 7]


class Refusing:
    """A broker that does not let the gateway delete records."""

    def __init__(self) -> None:
        self.asked = 0

    def end_offset(self, source: TopicPartition) -> int:
        return 5

    def trim(self, source: TopicPartition, before: int) -> None:
        self.asked += 1
        raise ConfigurationError("kafka.sasl_username: grant this user the right that is missing")


def test_u19_a_missing_right_stops_no_job() -> None:
    refusing, clock, bus = Refusing(), ManualClock(), ledger_of(0)
    trimming = LedgerTrimming(refusing, LateBook(bus), clock)
    trimming.apply(ALL)
    trimming.apply(ALL)
    assert refusing.asked == 1
    clock.sleep(TRIM_SECONDS)
    trimming.apply(ALL)
    assert refusing.asked == 2
