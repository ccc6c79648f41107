"""The demo on a real cluster: installed, disturbed, changed and removed, with the dataset of one machine.

The tests of this module are one story, told in order: each takes the release as the one before has left it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from deploy.cluster.release import DEMO_VALUES, Release
from deploy.cluster.settings import ClusterSettings
from deploy.local.commands import own_environment, python_module
from deploy.local.train_files import differing_files, tars_in_bucket, tars_in_folder
from tests.cluster.conftest import restricted
from tests.cluster.demo import (
    AS_THE_TRUTH_SAYS,
    CANDIDATES,
    SEED,
    SERVICES,
    Explorer,
    is_ready,
    job_id_of,
    name_of,
    pods,
    restarts,
    running_jobs,
    store_env,
    wait_for_job,
    wait_until,
)

pytestmark = pytest.mark.timeout(3600)

STORE: Final = "s3://pairmill/datasets"
OTHER_SEED: Final = 2
FIRST: Final = {"demo.candidates": CANDIDATES, "demo.seed": SEED}
DISTURBED: Final = {"demo.candidates": CANDIDATES, "demo.seed": OTHER_SEED}
QUERY: Final = "A drawing of two black circles to the left of a purple flower"


@pytest.fixture(scope="module")
def release(cluster: ClusterSettings) -> Iterator[Release]:
    """The demo, installed in a namespace that admits restricted pods alone."""
    with restricted(cluster) as namespace:
        installed = Release(namespace=namespace, name="demo", values=(DEMO_VALUES, *cluster.values))
        installed.install(FIRST)
        yield installed


def test_every_pod_is_ready_once_the_installation_has_ended(release: Release) -> None:
    found = {name_of(pod): is_ready(pod) for pod in pods(release) if "job" not in name_of(pod)}
    for service in SERVICES:
        assert any(name.startswith(f"{release.fullname}-{service}") for name in found), service
    assert [name for name, ready in found.items() if not ready] == []


def test_the_job_ends_as_the_truth_says(release: Release) -> None:
    assert AS_THE_TRUTH_SAYS in wait_for_job(release, 1)


def test_the_dataset_is_that_of_one_machine(release: Release, embedded: Path) -> None:
    dataset = f"{STORE}/{job_id_of(wait_for_job(release, 1))}"
    with store_env(release) as env:
        assert _pairmill("audit", dataset, env=env) == 0
        assert _pairmill("diff", str(embedded), dataset, env=env) == 0
        mine, theirs = tars_in_folder(embedded), tars_in_bucket(dataset, env)
    assert mine
    assert differing_files(mine, theirs) == []


def test_the_explorer_answers(release: Release) -> None:
    job = job_id_of(wait_for_job(release, 1))
    with release.namespace.forwarded(f"service/{release.fullname}-explorer", 7700) as port:
        explorer = Explorer(release, port)
        assert "Pairmill" in explorer.page()
        assert explorer.refusal() == 401

        def is_served() -> bool:
            known = explorer.call("SearchService/ListDatasets", {}).get("datasets", [])
            return any(each.get("name") == job and each.get("index_version") for each in known)

        wait_until("the dataset is served", is_served, 300.0)
        request = {"dataset": job, "parts": [{"text": QUERY}], "page_size": 5}
        assert len(explorer.call("SearchService/Search", request)["hits"]) == 5


def test_its_own_test_passes(release: Release) -> None:
    assert "Succeeded" in release.test()


def test_pods_that_are_deleted_in_mid_run_change_nothing(release: Release) -> None:
    """A pod of each service goes, and then all of them roll for a changed value, while a job is under way."""
    release.upgrade(DISTURBED)
    wait_until("the second job runs", lambda: bool(running_jobs(release)), 900.0)
    for service in SERVICES:
        victim = name_of(pods(release, service)[0])
        release.namespace("delete", "pod", victim, "--wait=false")
    before = {name_of(pod): str(pod["metadata"]["uid"]) for pod in pods(release)}
    assert running_jobs(release), "the job ended before it was disturbed; take more candidates"
    release.upgrade({**DISTURBED, "logLevel": "debug"})
    rolled = {name_of(pod): str(pod["metadata"]["uid"]) for pod in pods(release)}
    for service in SERVICES:
        for name in (name_of(pod) for pod in pods(release, service)):
            assert before.get(name) != rolled[name], f"{name} was not exchanged"
    assert AS_THE_TRUTH_SAYS in wait_for_job(release, 3)


def test_the_disturbed_dataset_closes(release: Release) -> None:
    with store_env(release) as env:
        assert _pairmill("audit", f"{STORE}/{job_id_of(wait_for_job(release, 3))}", env=env) == 0


def test_a_smaller_change_starts_only_what_it_is_about(release: Release) -> None:
    before = {name_of(pod): str(pod["metadata"]["uid"]) for pod in pods(release)}
    release.upgrade({**DISTURBED, "logLevel": "debug", "components.crawler.replicas": 2})
    after = {name_of(pod): str(pod["metadata"]["uid"]) for pod in pods(release)}
    kept = {name for name in before if "job" not in name and "topics" not in name}
    assert {name for name in kept if after.get(name) != before[name]} == set()
    assert f"{release.fullname}-crawler-1" in after


def test_nothing_has_died_by_itself(release: Release) -> None:
    """Downloaders may start before the kubelet knows the web's address, and then start again, once."""
    died = {name_of(pod): restarts(pod) for pod in pods(release) if restarts(pod)}
    allowed = {name for name in died if "-downloader-" in name or "job" in name or "topics" in name}
    assert set(died) <= allowed, died


def test_what_is_left_is_the_data(release: Release) -> None:
    release.uninstall()
    space, label = release.namespace, f"app.kubernetes.io/instance={release.name}"
    kinds = str(space("api-resources", "--namespaced", "--verbs=list", "-o", "name")).split()
    ours = [kind for kind in kinds if not kind.startswith(("events", "endpoints", "pods.metrics"))]

    def left() -> set[str]:
        return set(space("get", ",".join(ours), "-l", label, "-o", "name", "--ignore-not-found").split())

    data = f"persistentvolumeclaim/data-{release.fullname}-demo-s3-0"
    wait_until("all else is gone", lambda: left() <= {data}, 120.0)
    assert left() == {data}


def _pairmill(*arguments: str, env: dict[str, str]) -> int:
    done = subprocess.run(
        python_module("pairmill_standalone", *arguments),
        env={**own_environment(), **env},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout[-4000:], done.stderr[-4000:])
    return done.returncode
