"""Pods besides those of services, of Jobs, the demo and Triton, can be told what a cluster asks of pods."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.unit.chart.rendering import DEMO, component_of, of_kind, only, pods, rendered

PLACED: Final = (
    "nodeSelector.disk=fast",
    "tolerations[0].key=spot",
    "tolerations[0].operator=Exists",
    "priorityClassName=high",
    "dnsConfig.nameservers[0]=10.0.0.53",
    "hostAliases[0].ip=10.0.0.1",
    "hostAliases[0].hostnames[0]=kafka.example",
    "podSecurityContext.fsGroup=2000",
)
OF_JOBS: Final = (
    "jobs.podLabels.inject=off",
    "jobs.podAnnotations.mesh=off",
    "jobs.serviceAccountName=jobs",
    "jobs.extraEgress[0].to[0].ipBlock.cidr=10.9.0.0/16",
)
OF_TRITON: Final = (
    "labels.tier=models",
    "annotations.owner=ml",
    "schedulerName=own",
    "serviceAccountName=models",
    "revisionHistoryLimit=2",
    "disruptionBudget.maxUnavailable=25%",
    "extraEnvFrom[0].configMapRef.name=flags",
    "extraVolumes[0].name=plugins",
    "extraVolumes[0].emptyDir.medium=Memory",
    "extraVolumeMounts[0].name=plugins",
    "extraVolumeMounts[0].mountPath=/plugins",
    "extraInitContainers[0].name=wait",
    "extraInitContainers[0].image=busybox:1.37",
    "sidecars[0].name=proxy",
    "sidecars[0].image=proxy:1",
    "extraEgress[0].to[0].ipBlock.cidr=10.8.0.0/16",
    "extraIngress[0].from[0].ipBlock.cidr=10.7.0.0/16",
    "autoscaling.authenticationRef.name=prometheus",
)


@pytest.mark.parametrize("example", [DEMO, "production"])
def test_every_pod_but_triton_s_is_placed_where_services_are_by_default(example: str) -> None:
    placed = rendered(
        example, *(f"componentDefaults.{each}" for each in PLACED), "triton.priorityClassName=gpu"
    )
    for pod in pods(placed):
        if component_of(pod.owner) == "triton":
            assert pod.spec["priorityClassName"] == "gpu"
            continue
        assert pod.spec["nodeSelector"] == {"disk": "fast"}, pod.name
        assert pod.spec["tolerations"] == [{"key": "spot", "operator": "Exists"}], pod.name
        assert pod.spec["dnsConfig"] == {"nameservers": ["10.0.0.53"]}, pod.name
        assert pod.spec["hostAliases"][0]["hostnames"] == ["kafka.example"], pod.name
        assert pod.spec["securityContext"]["fsGroup"] == 2000, pod.name
        assert pod.spec["securityContext"]["runAsNonRoot"] is True, pod.name
        assert pod.spec["priorityClassName"] == "high", pod.name


@pytest.mark.parametrize(("example", "jobs"), [(DEMO, {"topics", "test", "demo-job"}), ("gpu", {"test"})])
def test_pods_of_jobs_have_labels_an_account_and_ways_out_of_their_own(example: str, jobs: set[str]) -> None:
    objects = rendered(example, *OF_JOBS)
    found = {component_of(pod.owner): pod for pod in pods(objects) if pod.owner["kind"] == "Job"}
    assert set(found) == jobs
    for pod in pods(objects):
        is_job = pod.owner["kind"] == "Job"
        assert (pod.metadata["labels"].get("inject") == "off") == is_job, pod.name
        assert (pod.metadata.get("annotations", {}).get("mesh") == "off") == is_job, pod.name
        is_ours = is_job or component_of(pod.owner).startswith("demo-")
        assert (pod.spec.get("serviceAccountName") == "jobs") == is_ours, pod.name
    for job in jobs - {"demo-job"}:
        rules = only(objects, "NetworkPolicy", job)["spec"]["egress"]
        assert {"to": [{"ipBlock": {"cidr": "10.9.0.0/16"}}]} in rules, job


@pytest.mark.parametrize("example", [DEMO, "gpu", "production"])
def test_the_cluster_may_choose_the_user_who_is_never_root(example: str) -> None:
    for pod in pods(rendered(example, "runAsUser=null", "triton.runAsUser=null")):
        context = pod.spec["securityContext"]
        assert context == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}, pod.name


def test_a_user_of_a_range_is_a_whole_number() -> None:
    (context,) = {
        str(pod.spec["securityContext"]) for pod in pods(rendered("minimal", "runAsUser=1000650000"))
    }
    assert context.count("1000650000") == 3


@pytest.fixture
def turned() -> Any:
    return rendered("production", *(f"triton.{each}" for each in OF_TRITON))


def test_what_triton_s_pods_are_given_besides_arrives(turned: Any) -> None:
    pod = next(pod for pod in pods(turned) if component_of(pod.owner) == "triton")
    own = pod.spec["containers"][0]
    assert (pod.spec["schedulerName"], pod.spec["serviceAccountName"]) == ("own", "models")
    assert own["envFrom"] == [{"configMapRef": {"name": "flags"}}]
    assert {"name": "plugins", "emptyDir": {"medium": "Memory"}} in pod.spec["volumes"]
    assert {"name": "plugins", "mountPath": "/plugins"} in own["volumeMounts"]
    assert [each["name"] for each in pod.spec["containers"]] == ["triton", "proxy"]
    assert [each["name"] for each in pod.spec["initContainers"]] == ["bundle-0", "models-0", "wait"]
    owner = pod.owner
    assert owner["metadata"]["labels"]["tier"] == "models"
    assert owner["metadata"]["annotations"] == {"owner": "ml"}
    assert owner["spec"]["revisionHistoryLimit"] == 2


def test_what_stands_around_triton_can_be_changed(turned: Any) -> None:
    assert only(turned, "PodDisruptionBudget", "triton")["spec"]["maxUnavailable"] == "25%"
    policy = only(turned, "NetworkPolicy", "triton")["spec"]
    assert {"to": [{"ipBlock": {"cidr": "10.8.0.0/16"}}]} in policy["egress"]
    assert {"from": [{"ipBlock": {"cidr": "10.7.0.0/16"}}]} in policy["ingress"]
    trigger = only(turned, "ScaledObject", "triton")["spec"]["triggers"][0]
    assert trigger["authenticationRef"] == {"name": "prometheus"}
    without = rendered("production", "triton.disruptionBudget.enabled=false")
    assert "triton" not in {component_of(each) for each in of_kind(without, "PodDisruptionBudget")}


def test_a_repository_in_a_volume_can_have_init_containers_too() -> None:
    waits = ("triton.extraInitContainers[0].name=wait", "triton.extraInitContainers[0].image=busybox:1.37")
    pod = next(pod for pod in pods(rendered("gpu", *waits)) if component_of(pod.owner) == "triton")
    assert [each["name"] for each in pod.spec["initContainers"]] == ["wait"]
