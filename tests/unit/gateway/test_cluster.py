"""A gateway drives many jobs at once, each in a folder of its own, and may be killed at any time."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from pairmill.dataset.audit import audit
from pairmill.dataset.diff import diff
from pairmill.stage.checkpoints import Point
from pairmill_protos.gateway.v1.job_service_pb2 import JobState
from tests.fakes.cluster import ALL, CALLER, WORLD, Cluster, Gateway
from tests.fakes.dataset import build_dataset
from tests.fakes.dataset_options import Options, small_spec

NONE = frozenset[int]()


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def assert_whole(cluster: Cluster, job_id: str, wats: int = 3) -> None:
    """The job's dataset closes and is what an undisturbed run makes."""
    assert audit(cluster.out / job_id).findings == ()
    plain = cluster.folder / f"plain-{job_id}"
    build_dataset(plain, Options(world=WORLD, attempt_seed=9, spec=small_spec(wats)))
    assert diff(cluster.out / job_id, plain).same


def test_two_jobs_at_once_end_with_a_dataset_each(cluster: Cluster) -> None:
    first, second = cluster.admit(3), cluster.admit(2)
    gateway = cluster.gateway()
    cluster.drive(gateway)
    assert_whole(cluster, first, 3)
    assert_whole(cluster, second, 2)
    gateway.loop.turn()
    assert gateway.running.jobs() == [], "of a job that has ended its end is left in memory"
    assert {gateway.statuses.by_job[job_id].state for job_id in (first, second)} == {"complete"}


def test_a_job_behind_the_records_of_others_is_whole(cluster: Cluster) -> None:
    first = cluster.admit(2)
    gateway = cluster.gateway()
    cluster.drive(gateway)
    second = cluster.admit(3)
    cluster.drive(gateway)
    assert_whole(cluster, first, 2)
    assert_whole(cluster, second, 3)


def test_a_dataset_at_the_root_of_the_store_stays_possible(cluster: Cluster) -> None:
    job_id = cluster.admit(2, dataset="")
    cluster.drive(cluster.gateway())
    assert audit(cluster.out).findings == ()
    assert not (cluster.out / job_id).exists()


def test_g4_a_job_with_a_damaged_spec_does_not_hold_up_the_others(cluster: Cluster) -> None:
    damaged, whole = cluster.admit(3), cluster.admit(2)
    spec = cluster.out / damaged / cluster.builders[damaged].spec_ref.key
    stored = spec.read_bytes()
    spec.write_bytes(stored[:-1] + b"?")
    gateway = cluster.gateway()
    cluster.drive(gateway, until=lambda: gateway.ended(whole) is not None)
    shown = gateway.jobs.get(damaged, CALLER)
    assert shown.state == JobState.JOB_STATE_BLOCKED
    assert "CorruptObjectError" in shown.blocked.error or "checksum" in shown.blocked.error
    spec.write_bytes(stored)
    cluster.drive(gateway)
    assert_whole(cluster, damaged)


class KilledError(BaseException):
    """Stands for SIGKILL."""


class DieAt:
    """Ends everything at the n-th passage of a point."""

    def __init__(self, point: Point, passage: int) -> None:
        self._point, self._passage = point, passage
        self._passed: Counter[Point] = Counter()
        self.is_dead = False

    def passed(self, point: Point) -> None:
        self._passed[point] += 1
        if point == self._point and self._passed[point] == self._passage:
            self.is_dead = True
        if self.is_dead:
            raise KilledError


POINTS: list[tuple[Point, int]] = [
    ("after_hand_out", 1),
    ("after_hand_out", 4),
    ("before_manifest", 1),
    ("after_manifest", 1),
    ("after_end", 1),
    ("in_sweep", 2),
]


@pytest.mark.parametrize(("point", "passage"), POINTS)
def test_g1_g9_a_gateway_killed_anywhere_is_followed_by_one_that_goes_on(
    cluster: Cluster, point: Point, passage: int
) -> None:
    jobs = {cluster.admit(3): 3, cluster.admit(2): 2}
    death = DieAt(point, passage)
    victim = cluster.gateway(checkpoints=death)
    turn_until_dead(cluster, victim, death)
    heir = cluster.gateway()
    cluster.drive(heir)
    for job_id, wats in jobs.items():
        assert_whole(cluster, job_id, wats)
    cluster.drive(heir, until=lambda: not any(steps(cluster, job_id) for job_id in jobs))


def turn_until_dead(cluster: Cluster, victim: Gateway, death: DieAt) -> None:
    with suppress(KilledError):
        cluster.drive(victim, until=lambda: death.is_dead)


def steps(cluster: Cluster, job_id: str) -> list[Path]:
    """The files of a job that were only steps."""
    return [path for path in (cluster.out / job_id / "steps").rglob("*") if path.is_file()]


def test_a15_two_gateways_that_act_at_once_give_one_dataset(cluster: Cluster) -> None:
    job_id = cluster.admit(3)
    first, second = cluster.gateway(), cluster.gateway()
    cluster.drive(first, second)
    cluster.drive(first, second, until=lambda: second.ended(job_id) is not None)
    assert first.ended(job_id) == second.ended(job_id)
    assert_whole(cluster, job_id)


def test_u5_the_owner_of_the_ledgers_partition_acts_and_ownership_moves(cluster: Cluster) -> None:
    job_id = cluster.admit(3)
    first, second = cluster.gateway(), cluster.gateway()
    second.loop.own(NONE)
    for _ in range(4):
        cluster.turn(first, second)
    handed_out = cluster.bus.end_offset_of("wat-tasks")
    assert handed_out == 3, "the second follows and does not act"
    assert second.statuses.by_job[job_id].units_closed == first.statuses.by_job[job_id].units_closed
    first.loop.own(NONE)
    second.loop.own(ALL)
    cluster.drive(second, first)
    assert cluster.bus.end_offset_of("wat-tasks") == 3, "what was handed out is left alone"
    assert_whole(cluster, job_id)


def test_u5_nobody_acts_for_a_job_that_nobody_owns(cluster: Cluster) -> None:
    cluster.admit(3)
    gateway = cluster.gateway()
    gateway.loop.own(NONE)
    for _ in range(5):
        cluster.turn(gateway)
    assert cluster.bus.end_offset_of("wat-tasks") == 0


def test_g3_what_zombies_write_after_the_end_goes_with_a_sweep_a_day_later(cluster: Cluster) -> None:
    job_id = cluster.admit(2)
    gateway = cluster.gateway()
    cluster.drive(gateway)
    cluster.drive(gateway, until=lambda: not steps(cluster, job_id))
    late = cluster.out / job_id / "shards" / f"{job_id}.w0000.r0000.d00000-0badcafe.tar"
    cluster.store.put(late.relative_to(cluster.out).as_posix(), b"late")
    for _ in range(3):
        cluster.turn(gateway)
    assert late.exists(), "until then it may be that a stage still writes"
    heir = cluster.gateway(sweep_again_seconds=0.0)  # a day later, after a restart
    cluster.drive(heir, until=lambda: not late.exists() and is_swept(heir, job_id))
    assert audit(cluster.out / job_id).findings == ()
    cluster.store.put(late.relative_to(cluster.out).as_posix(), b"later still")
    third = cluster.gateway(sweep_again_seconds=0.0)
    for _ in range(3):
        cluster.turn(third)
    assert late.exists(), "the last sweep is not made twice"


def is_swept(gateway: Gateway, job_id: str) -> bool:
    entry = gateway.book.get(job_id)
    return entry is not None and entry.swept
