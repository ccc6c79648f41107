"""From the chart before to this one: nothing has to be removed first, and what was there stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from deploy.cluster.release import DEMO_VALUES, Release
from deploy.cluster.settings import ClusterSettings
from tests.cluster.conftest import restricted
from tests.cluster.demo import (
    AS_THE_TRUTH_SAYS,
    CANDIDATES,
    SEED,
    SERVICES,
    is_ready,
    job_id_of,
    pods,
    wait_for_job,
    wait_until,
)
from tests.cluster.previous import previous_commit, unpack_chart
from tests.conftest import REPOSITORY
from tests.fakes.provided import lacking

pytestmark = pytest.mark.timeout(2400)

RUN: Final = {"demo.candidates": CANDIDATES, "demo.seed": SEED}


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart that was before this one; PREVIOUS_CHART names another folder or archive."""
    given = os.environ.get("PREVIOUS_CHART")
    if given:
        return Path(given)
    folder = tmp_path_factory.mktemp("previous")
    found = unpack_chart(REPOSITORY, previous_commit(REPOSITORY), folder)
    if found is None:
        lacking("the chart that was before", "set PREVIOUS_CHART to its folder or archive")
    return found


@pytest.fixture(scope="module")
def release(cluster: ClusterSettings, previous: Path) -> Iterator[Release]:
    """The demo, installed by the chart before, its job done."""
    with restricted(cluster) as namespace:
        installed = Release(namespace=namespace, name="demo", values=(DEMO_VALUES, *cluster.values))
        installed.install(RUN, chart=previous)
        wait_for_job(installed, 1)
        yield installed


def test_the_chart_before_is_upgraded_in_place(release: Release) -> None:
    job = job_id_of(wait_for_job(release, 1))
    claims = _claims(release)
    release.upgrade(RUN)
    wait_until("all are ready", lambda: all(map(is_ready, pods(release))), 300.0)
    assert {service for service in SERVICES if not pods(release, service)} == set()
    assert _claims(release) == claims
    log = wait_for_job(release, 2)
    assert f"{job}: was there before" in log
    assert AS_THE_TRUTH_SAYS in log


def test_and_rolled_back(release: Release) -> None:
    release.rollback(1)
    wait_until("all are ready", lambda: all(map(is_ready, pods(release))), 300.0)
    assert {service for service in SERVICES if not pods(release, service)} == set()


def _claims(release: Release) -> dict[str, str]:
    """Returns the claims of volumes and how the cluster tells them apart."""
    found = release.namespace.items("persistentvolumeclaims")
    return {claim["metadata"]["name"]: claim["metadata"]["uid"] for claim in found}
