"""A job whose group has no member shows as blocked by its version, and goes on by itself (U17)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from pairmill.errors import RetriableError
from pairmill.reasons import RULES_VERSION
from pairmill_gateway.attendance import Attendance
from pairmill_gateway.rpc.ports import WrongStateError
from pairmill_protos.gateway.v1.job_service_pb2 import JobState
from tests.fakes.clock import ManualClock
from tests.fakes.cluster import CALLER, Cluster, Gateway

PATIENCE: Final = 1800.0
GROUP: Final = "embed-0123456789ab"
CRAWLERS: Final = f"crawl-{RULES_VERSION}"


class Groups:
    """Knows who is there; may be away."""

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.away = False
        self.asked = 0

    def has_members(self, group: str) -> bool:
        self.asked += 1
        if self.away:
            raise RetriableError("the coordinator moves")
        return group in self.there


class Watched:
    """An attendance that is looked at every 5 s."""

    def __init__(self) -> None:
        self.groups, self.clock = Groups(), ManualClock()
        self.attendance = Attendance(self.groups, self.clock, PATIENCE)

    def after(self, seconds: float, *needed: str) -> float:
        """Returns for how long the group has been away after some time."""
        for _ in range(round(seconds / 5)):
            self.clock.sleep(5.0)
            self.attendance.look(needed)
        return self.attendance.empty_seconds(GROUP)


def test_u17_an_absence_counts_once_it_has_lasted() -> None:
    watched = Watched()
    assert watched.after(PATIENCE, GROUP) == 0.0
    assert watched.after(30.0, GROUP) >= PATIENCE


def test_u17_a_member_that_appears_ends_it_and_the_next_absence_starts_anew() -> None:
    watched = Watched()
    watched.after(2 * PATIENCE, GROUP)
    watched.groups.there = {GROUP}
    assert watched.after(30.0, GROUP) == 0.0
    watched.groups.there = set()
    assert watched.after(PATIENCE / 2, GROUP) == 0.0


def test_u17_a_group_that_nobody_needs_is_not_asked_for() -> None:
    watched = Watched()
    watched.after(PATIENCE)
    assert watched.groups.asked == 0
    assert watched.after(PATIENCE / 2, GROUP) == 0.0, "it counts from when it is needed"


def test_u17_a_broker_that_cannot_be_asked_changes_nothing() -> None:
    watched = Watched()
    watched.groups.away = True
    assert watched.after(2 * PATIENCE, GROUP) == 0.0, "nobody was seen to be absent"
    watched.groups.away = False
    watched.after(2 * PATIENCE, GROUP)
    watched.groups.away = True
    assert watched.after(60.0, GROUP) > PATIENCE


def test_u17_jobs_wait_for_one_question_that_is_not_answered_and_not_for_one_of_each_group() -> None:
    watched = Watched()
    watched.after(2 * PATIENCE, "another", GROUP, "third")
    before, watched.groups.away = watched.groups.asked, True
    assert watched.after(15.0, "another", GROUP, "third") > PATIENCE, "the last answers stand"
    assert watched.groups.asked == before + 1


def test_u17_a_group_is_asked_for_now_and_then() -> None:
    watched = Watched()
    watched.after(600.0, GROUP)
    assert watched.groups.asked <= 41


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def turn(cluster: Cluster, gateway: Gateway, seconds: int) -> None:
    """Lets the gateway work alone."""
    for _ in range(seconds):
        gateway.loop.turn()
        cluster.clock.sleep(1.0)


def test_u17_a_job_without_members_of_its_group_is_blocked_until_one_appears(cluster: Cluster) -> None:
    job_id = cluster.admit(2)
    gateway = cluster.gateway(absent_after_seconds=60.0)
    turn(cluster, gateway, 50)
    assert gateway.statuses.by_job[job_id].state == "crawling"
    turn(cluster, gateway, 60)
    assert gateway.statuses.by_job[job_id].state == "blocked"
    shown = gateway.jobs.get(job_id, CALLER)
    assert (shown.state, shown.blocked.group) == (JobState.JOB_STATE_BLOCKED, CRAWLERS)
    assert "2 unit(s) wait" in shown.blocked.error
    assert f"start a crawler with rules {RULES_VERSION}" in shown.blocked.error
    with pytest.raises(WrongStateError, match="nothing to resume"):
        gateway.jobs.resume(job_id, CALLER)
    with cluster.bus.consumer(group=CRAWLERS, topics=["wat-tasks"], member="crawler-0") as member:
        member.poll(max_records=1, timeout_seconds=0.0)
        turn(cluster, gateway, 31)
        assert gateway.statuses.by_job[job_id].state == "crawling"
        assert not gateway.jobs.get(job_id, CALLER).HasField("blocked")
    cluster.drive(gateway)
    assert gateway.jobs.get(job_id, CALLER).state == JobState.JOB_STATE_COMPLETE


def test_u17_a_job_that_is_blocked_by_its_version_can_be_cancelled(cluster: Cluster) -> None:
    job_id = cluster.admit(2)
    gateway = cluster.gateway(absent_after_seconds=10.0)
    turn(cluster, gateway, 40)
    assert gateway.jobs.get(job_id, CALLER).blocked.group
    assert gateway.jobs.cancel(job_id, "", CALLER).state != JobState.JOB_STATE_BLOCKED
