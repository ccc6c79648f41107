"""A gateway drives many jobs at once, each in a folder of its own, and may be killed at any time."""

from __future__ import annotations

from pathlib import Path

import pytest

from pairmill.dataset.audit import audit
from pairmill.dataset.diff import diff
from tests.fakes.cluster import WORLD, Cluster
from tests.fakes.dataset import build_dataset
from tests.fakes.dataset_options import Options, small_spec


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
