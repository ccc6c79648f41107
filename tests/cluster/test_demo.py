"""The demo on a real cluster: installed, disturbed, changed and removed, with the dataset of one machine.

The tests of this module are one story, told in order: each takes the release as the one before has left it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest

from deploy.cluster.release import DEMO_VALUES, Release
from deploy.cluster.settings import ClusterSettings
from deploy.local.train_files import differing_files, tars_in_bucket, tars_in_folder
from tests.cluster.conftest import restricted
from tests.cluster.demo import (
    AS_THE_TRUTH_SAYS,
    CANDIDATES,
    SEED,
    SERVICES,
    STORE,
    Explorer,
    diff_with,
    ended_at,
    is_ready,
    job_id_of,
    made_at,
    name_of,
    pairmill,
    pods,
    restarts,
    running_jobs,
    store_env,
    wait_for_job,
    wait_until,
)

pytestmark = pytest.mark.timeout(3600)

HOST_DELAY_SECONDS: Final = "1"  # of runs that are disturbed: a text, as rules are set
FIRST: Final = {"demo.candidates": CANDIDATES, "demo.seed": SEED}
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
    job = job_id_of(wait_for_job(release, 1))
    dataset = f"{STORE}/{job}"
    with store_env(release) as env:
        assert pairmill("audit", dataset, env=env) == 0
        mine, theirs = tars_in_folder(embedded), tars_in_bucket(dataset, env)
    assert diff_with(release, embedded, job) == 0
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
            return any(each["dataset"] == job and each.get("index_version") for each in known)

        wait_until("the dataset is served", is_served, 300.0)
        request = {"dataset": job, "parts": [{"text": QUERY}], "page_size": 5}
        assert len(explorer.call("SearchService/Search", request)["hits"]) == 5


def test_its_own_test_passes(release: Release) -> None:
    assert "Succeeded" in release.test()


def test_a_pod_of_each_service_that_is_deleted_in_mid_run_changes_nothing(release: Release) -> None:
    release.upgrade(_run(2))
    job = _running(release)
    before = _services(release)
    for service in SERVICES:
        victim = name_of(pods(release, service)[0])
        release.namespace("delete", "pod", victim, "--wait=false")
    assert running_jobs(release) == [job], "the job had ended before it was disturbed"
    assert AS_THE_TRUTH_SAYS in wait_for_job(release, 2)
    assert _job_died(release) == {}
    wait_until("all are ready again", lambda: all(map(is_ready, pods(release))), 300.0)
    _exchanged_before(ended_at(release, 2), release, before)
    with store_env(release) as env:
        assert pairmill("audit", f"{STORE}/{job}", env=env) == 0


def test_an_upgrade_that_rolls_every_pod_in_mid_run_loses_nothing(release: Release) -> None:
    release.upgrade(_run(3))
    job = _running(release)
    before = _services(release)
    release.upgrade({**_run(3), "logLevel": "debug"})
    assert AS_THE_TRUTH_SAYS in (log := wait_for_job(release, 4))
    assert _job_died(release) == {}
    assert job_id_of(log) == job
    after = _exchanged_before(ended_at(release, 4), release, before)
    assert {uid for each in before.values() for uid in each} & {
        uid for each in after.values() for uid in each
    } == set()
    with store_env(release) as env:
        assert pairmill("audit", f"{STORE}/{job}", env=env) == 0


def test_a_change_of_one_service_leaves_the_others_alone(release: Release) -> None:
    before = _services(release)
    release.upgrade({**_run(3), "logLevel": "debug", "components.crawler.replicas": 2})
    after = _services(release)
    assert {name: uids for name, uids in after.items() if name != "crawler"} == {
        name: uids for name, uids in before.items() if name != "crawler"
    }
    assert (len(after["crawler"]), before["crawler"] <= after["crawler"]) == (2, True)


def test_autoscaling_that_is_switched_on_ends_nobody_and_is_left_its_number(release: Release) -> None:
    scaled = {**_run(3), "logLevel": "debug", "components.crawler.replicas": 2}
    given = "components.crawler.autoscaling"
    before = _services(release)["crawler"]
    release.upgrade({**scaled, f"{given}.mode": "hpa"})
    assert _services(release)["crawler"] >= before  # two, though one is least
    more: dict[str, object] = {**scaled, f"{given}.mode": "hpa", f"{given}.minReplicas": 3}
    release.upgrade(more)
    wait_until("the autoscaler sets a number", lambda: _members(release, "crawler") >= 3, 120.0)
    release.upgrade({**more, f"{given}.cpuPercent": 90})
    assert _members(release, "crawler") >= 3
    assert _services(release)["crawler"] > before


def test_nothing_has_died_by_itself(release: Release) -> None:
    """Downloaders may start before the kubelet knows the web's address, and then start again, once."""
    died = {name_of(pod): restarts(pod) for pod in pods(release) if restarts(pod)}
    allowed = {name for name in died if "-downloader-" in name or "topics" in name}
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


def _job_died(release: Release) -> dict[str, int]:
    """Returns the pods of the demo's Job that were started again: it waits for whoever is away."""
    return {name_of(pod): restarts(pod) for pod in pods(release, "demo-job") if restarts(pod)}


def _run(seed: int) -> dict[str, object]:
    """Values of a run over another web, slow enough to be disturbed."""
    slow = {r"demo.job.settings.download\.host_delay_seconds": HOST_DELAY_SECONDS}
    return {"demo.candidates": CANDIDATES, "demo.seed": seed, **slow}


def _running(release: Release) -> str:
    """Returns the job that is under way, once there is one."""
    found: list[str] = []

    def is_under_way() -> bool:
        found[:] = running_jobs(release)
        return bool(found)

    wait_until("a job is under way", is_under_way, 900.0)
    return found[0]


def _members(release: Release, service: str) -> int:
    """Returns how many pods a service is to have."""
    workload = f"statefulset/{release.fullname}-{service}"
    return int(release.namespace("get", workload, "-o", "jsonpath={.spec.replicas}"))


def _services(release: Release) -> dict[str, set[str]]:
    """Returns the pods of each service, as the cluster tells them apart."""
    return {service: {pod["metadata"]["uid"] for pod in pods(release, service)} for service in SERVICES}


def _exchanged_before(end: datetime, release: Release, before: dict[str, set[str]]) -> dict[str, set[str]]:
    """Fails unless a pod of each service was exchanged before a job ended; returns those that are there."""
    for service in SERVICES:
        fresh = [pod for pod in pods(release, service) if pod["metadata"]["uid"] not in before[service]]
        assert fresh, f"no pod of {service} was exchanged"
        assert min(map(made_at, fresh)) < end, f"{service}: the job had ended before it was disturbed"
    return _services(release)
