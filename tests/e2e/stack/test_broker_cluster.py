"""Whole jobs on three brokers, of which some die: one at a time is not noticed, two are waited for (A12)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest

from deploy.local.errors import MissingToolError
from deploy.local.kafka import KafkaServer
from deploy.local.stack import Stack
from pairmill.errors import RetriableError
from pairmill.units import LEDGER_TOPIC, STAGE_TOPICS
from pairmill_protos.unit.v1.unit_pb2 import Stage
from tests.e2e.conftest import Undisturbed
from tests.e2e.runs import CANDIDATES
from tests.e2e.stack.faults import FaultTable
from tests.e2e.stack.oracles import assert_same_dataset, assert_undisturbed
from tests.e2e.stack.rig import Rig, options
from tests.fakes.kafka_sockets import collect_sockets
from tests.fakes.processes import wait_until
from tests.fakes.provided import lacking

BROKERS: Final = 3
_AWAY_SECONDS: Final = 20.0
_SYNC_SECONDS: Final = 90.0
pytestmark = [
    pytest.mark.faults,
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]
"""The client leaves a socket that could not connect to the collector of garbage."""


@pytest.fixture(autouse=True)
def collected(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    collect_sockets(caplog)  # while the filter above holds


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of this module's own."""
    made = Stack(tmp_path_factory.mktemp("stack"), replace(options(), brokers=BROKERS))
    try:
        made.up()
    except MissingToolError as error:
        lacking(error.what, error.remedy)
    yield made
    made.down()


def wait_in_sync(rig: Rig) -> None:
    """Waits until all brokers have everything of the topics that a job begins with."""

    def are_in_sync() -> bool:
        with rig.admin as admin:
            try:
                found = [each for topic in topics for each in admin.keepers(topic)]
            except RetriableError:
                return False
        return all(len(each.in_sync) == BROKERS for each in found)

    topics = (LEDGER_TOPIC, *STAGE_TOPICS[Stage.STAGE_DOWNLOAD])
    wait_until(are_in_sync, _SYNC_SECONDS)


def leader_of_the_ledger(rig: Rig) -> KafkaServer:
    """Returns the broker that all records of truth go through."""
    with rig.admin as admin:
        (keepers,) = admin.keepers(LEDGER_TOPIC)
    return rig.stack.brokers[keepers.leader - 1]


def test_a12_the_leader_of_the_ledger_killed_for_good_in_mid_run(
    rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    wait_in_sync(rig)
    victim = leader_of_the_ledger(rig)
    try:
        assert_undisturbed(rig, undisturbed.out, "ledger-leader-killed", victim.kill)
        assert leader_of_the_ledger(rig) is not victim
    finally:
        victim.start()
    fault_table.add(
        "A12",
        injected="three brokers: SIGKILL of the ledger's leader, which stayed away",
        seen="another one took over; the job ended without it",
    )


def test_a12_brokers_stopped_and_started_one_after_another(
    rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    """As in an upgrade."""
    wait_in_sync(rig)
    job = rig.submit("brokers-in-turn")
    for broker in rig.stack.brokers:
        broker.stop()
        broker.start()
        wait_in_sync(rig)
    rig.wait_end(job)
    assert_same_dataset(rig, undisturbed.out, job)
    fault_table.add("A12", injected="three brokers: restarted one after another", seen="the job went on")


def test_a12_two_of_three_brokers_killed_in_mid_run(
    rig: Rig, undisturbed: Undisturbed, fault_table: FaultTable
) -> None:
    """One copy is left, which is not enough to acknowledge anything."""
    wait_in_sync(rig)
    survivor = leader_of_the_ledger(rig)
    job = rig.submit("two-brokers-killed")
    rig.wait_for_candidates(job, CANDIDATES // 8)
    away = [broker for broker in rig.stack.brokers if broker is not survivor]
    for broker in away:
        broker.kill()
    rig.rest(_AWAY_SECONDS)
    assert any(not process.is_ready() for process in rig.stack.services.values())
    for broker in away:
        broker.launch()
    for broker in away:
        broker.wait_ready()
    rig.wait_end(job)
    assert rig.restarts == 0
    assert_same_dataset(rig, undisturbed.out, job)
    fault_table.add(
        "A12",
        injected=f"three brokers: SIGKILL of two, back after {_AWAY_SECONDS:g} s",
        seen="nothing was acknowledged; services waited, not ready, and went on",
    )
