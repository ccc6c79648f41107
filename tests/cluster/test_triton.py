"""The demo with Triton of the release itself, on CPUs: the same dataset."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.cluster.release import DEMO_VALUES, Release
from deploy.cluster.settings import ClusterSettings
from tests.cluster.conftest import restricted
from tests.cluster.demo import (
    AS_THE_TRUTH_SAYS,
    CANDIDATES,
    SEED,
    diff_with,
    is_ready,
    job_id_of,
    pods,
    wait_for_job,
)
from tests.fakes.provided import lacking

pytestmark = pytest.mark.timeout(2400)


@pytest.fixture(scope="module")
def release(cluster: ClusterSettings) -> Iterator[Release]:
    """The demo with the values of CLUSTER_TRITON on top."""
    values = os.environ.get("CLUSTER_TRITON")
    if not values:
        lacking(
            "an image of Triton in the cluster",
            "make images-standin STANDINS=triton, and CLUSTER_TRITON=deploy/cluster/triton-cpu.yaml",
        )
    with restricted(cluster) as namespace:
        installed = Release(
            namespace=namespace, name="demo", values=(DEMO_VALUES, *cluster.values, Path(values))
        )
        installed.install({"demo.candidates": CANDIDATES, "demo.seed": SEED})
        yield installed


def test_the_models_of_triton_make_the_dataset_of_one_machine(release: Release, embedded: Path) -> None:
    assert [is_ready(pod) for pod in pods(release, "triton")] == [True]
    log = wait_for_job(release, 1)
    assert AS_THE_TRUTH_SAYS in log
    assert diff_with(release, embedded, job_id_of(log)) == 0


def test_its_own_test_passes(release: Release) -> None:
    assert "Succeeded" in release.test()
