"""What chart users reach for arrives where it belongs."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests.unit.chart.rendering import DEMO, Object, component_of, notes, of_kind, only, pods, rendered

COMPONENT: Final = "crawler"
DIGEST: Final = "sha256:" + "ab" * 32
OF_ONE: Final = (
    "nodeSelector.disk=fast",
    "priorityClassName=high",
    "runtimeClassName=kata",
    "schedulerName=own",
    "dnsPolicy=Default",
    "tolerations[0].key=spot",
    "tolerations[0].operator=Exists",
    "topologySpreadConstraints[0].maxSkew=2",
    "topologySpreadConstraints[0].topologyKey=rack",
    "topologySpreadConstraints[0].whenUnsatisfiable=DoNotSchedule",
    "hostAliases[0].ip=10.0.0.1",
    "hostAliases[0].hostnames[0]=old.example",
    "extraEnv[0].name=ZONE",
    "extraEnv[0].valueFrom.fieldRef.fieldPath=spec.nodeName",
    "extraEnvFrom[0].configMapRef.name=proxies",
    "extraVolumes[0].name=authorities",
    "extraVolumes[0].configMap.name=authorities",
    "extraVolumeMounts[0].name=authorities",
    "extraVolumeMounts[0].mountPath=/authorities",
    "extraInitContainers[0].name=wait",
    "extraInitContainers[0].image=busybox:1.37",
    "sidecars[0].name=proxy",
    "sidecars[0].image=proxy:1",
    "image.repository=own/crawler",
    "image.tag=v7",
    "serviceAccount.name=given",
    "scratch.type=ephemeral",
    "scratch.size=100Gi",
    "scratch.storageClassName=fast",
    "stopSeconds=300",
    "podLabels.app\\.kubernetes\\.io/component=x",
    "podLabels.tier=batch",
)
OF_ALL: Final = (
    "global.imageRegistry=r.example:5000",
    "global.imagePullSecrets[0]=two",
    "image.pullSecrets[0]=one",
    "image.tag=0.1.0-rc1",
    f"image.digests.scorer={DIGEST}",
    "commonLabels.team=data",
    "commonAnnotations.cost=42x",
    "components.planner.serviceAccount.create=false",
    "components.explorer.enabled=false",
    "components.indexer.enabled=false",
    "extraObjects[0].apiVersion=v1",
    "extraObjects[0].kind=ConfigMap",
    "extraObjects[0].metadata.name=for-{{ .Release.Name }}",
    "extraObjects[0].metadata.labels.team=data",
    "extraObjects[0].metadata.annotations.cost=42x",
    f"fullnameOverride={'long-' * 20}x",
)


@pytest.fixture
def turned() -> tuple[Object, ...]:
    """A release in which every knob of one service is turned, and those of all of them."""
    return rendered("minimal", *OF_ALL, *(f"components.{COMPONENT}.{each}" for each in OF_ONE))


@pytest.fixture
def spec(turned: tuple[Object, ...]) -> Any:
    return next(pod for pod in pods(turned) if component_of(pod.owner) == COMPONENT).spec


def test_where_a_pod_runs_can_be_said(spec: Any) -> None:
    names = ("nodeSelector", "priorityClassName", "runtimeClassName", "schedulerName", "dnsPolicy")
    assert [spec[name] for name in names] == [{"disk": "fast"}, "high", "kata", "own", "Default"]
    assert spec["tolerations"] == [{"key": "spot", "operator": "Exists"}]
    assert spec["topologySpreadConstraints"] == [
        {"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}
    ]
    assert spec["hostAliases"] == [{"ip": "10.0.0.1", "hostnames": ["old.example"]}]


def test_variables_volumes_and_containers_can_be_added(spec: Any) -> None:
    own = spec["containers"][0]
    assert own["env"][-1] == {"name": "ZONE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    assert own["envFrom"][-1] == {"configMapRef": {"name": "proxies"}}
    assert {"name": "authorities", "configMap": {"name": "authorities"}} in spec["volumes"]
    assert {"name": "authorities", "mountPath": "/authorities"} in own["volumeMounts"]
    assert [each["name"] for each in spec["initContainers"]] == ["wait"]
    assert [each["name"] for each in spec["containers"]] == [COMPONENT, "proxy"]


def test_an_image_can_be_another_one_by_digest_by_registry_or_in_all(turned: tuple[Object, ...]) -> None:
    images = {component_of(pod.owner): pod.spec["containers"][0]["image"] for pod in pods(turned)}
    assert images[COMPONENT] == "own/crawler:v7"
    assert images["planner"] == "r.example:5000/pairmill-planner:0.1.0-rc1"
    assert images["scorer"] == f"r.example:5000/pairmill-scorer@{DIGEST}"


def test_pull_secrets_are_in_every_pod(turned: tuple[Object, ...]) -> None:
    given = [{"name": "one"}, {"name": "two"}]
    assert {json.dumps(pod.spec["imagePullSecrets"]) for pod in pods(turned)} == {json.dumps(given)}


def test_labels_and_annotations_of_all_are_on_all_and_change_no_selector(turned: tuple[Object, ...]) -> None:
    assert {each["metadata"]["labels"]["team"] for each in turned} == {"data"}
    assert {each["metadata"]["annotations"]["cost"] for each in turned} == {"42x"}
    assert {pod.metadata["annotations"]["cost"] for pod in pods(turned)} == {"42x"}
    assert _selectors(turned) <= _selectors(rendered("minimal"))


def _selectors(objects: tuple[Object, ...]) -> set[str]:
    return {
        json.dumps(each["spec"]["selector"], sort_keys=True)
        for each in of_kind(objects, "StatefulSet", "Deployment")
    }


def test_labels_can_be_added_to_pods_but_ours_stay(turned: tuple[Object, ...]) -> None:
    pod = next(pod for pod in pods(turned) if component_of(pod.owner) == COMPONENT)
    assert pod.metadata["labels"]["tier"] == "batch"
    assert pod.metadata["labels"]["app.kubernetes.io/component"] == COMPONENT


def test_a_pod_may_be_given_another_account_or_none_of_its_own(turned: tuple[Object, ...], spec: Any) -> None:
    assert spec["serviceAccountName"] == "given"
    planner = next(pod for pod in pods(turned) if component_of(pod.owner) == "planner")
    assert planner.spec["serviceAccountName"] == "default"
    accounts = {component_of(each) for each in of_kind(turned, "ServiceAccount")}
    assert not {COMPONENT, "planner"} & accounts


def test_scratch_can_be_a_volume_that_goes_with_the_pod(spec: Any) -> None:
    scratch = next(volume for volume in spec["volumes"] if volume["name"] == "scratch")
    claim = scratch["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert (claim["storageClassName"], claim["resources"]["requests"]["storage"]) == ("fast", "100Gi")


def test_a_longer_stop_gives_the_pod_longer(spec: Any) -> None:
    assert spec["terminationGracePeriodSeconds"] > 300


def test_services_can_be_left_out_one_by_one(turned: tuple[Object, ...]) -> None:
    assert not {component_of(pod.owner) for pod in pods(turned)} & {"explorer", "indexer"}
    asked = only(turned, "Job", "test")["spec"]["template"]["spec"]["containers"]
    assert [each["name"] for each in asked] == ["topics", "gateway"]


def test_further_objects_are_templates(turned: tuple[Object, ...]) -> None:
    assert "for-mill" in {each["metadata"]["name"] for each in turned}


def test_names_can_be_chosen_and_stay_short_enough(turned: tuple[Object, ...]) -> None:
    names = [each["metadata"]["name"] for each in turned if each["metadata"]["name"] != "for-mill"]
    assert all(name.startswith("long-long-") for name in names)
    sets = [each["metadata"]["name"] for each in of_kind(turned, "StatefulSet")]
    assert max(map(len, sets)) <= 52  # its pods bear it in a label, with a hash behind
    assert max(map(len, names)) <= 63


def test_a_second_release_has_stages_only_and_asks_the_first_gateway() -> None:
    objects = rendered("another-bundle")
    assert {component_of(pod.owner) for pod in pods(objects)} == {"inference", "scorer", "test"}
    told = only(objects, "ConfigMap", "scorer")["data"]
    assert told["PAIRMILL_GATEWAY_TARGET"] == "pairmill-gateway.pairmill.svc:7600"


def test_the_notes_say_what_was_installed_and_how_to_go_on() -> None:
    said = notes("production")
    for part in ("b-1.kafka.example.org", "s3://datasets/pairmill", "helm -n data test mill", "job submit"):
        assert part in said
    assert "https://pairmill.example.org" in said
    assert "WARNING" not in said


@pytest.mark.parametrize(
    ("example", "changes"),
    [
        (
            "minimal",
            {
                "networkPolicy.enabled=false": "networkPolicy.enabled=false",
                "topics.replication=1": "topics.replication=1",
                "topics.mode=none": "topics.mode=none",
                "image.tag=latest": "the tag latest",
                "components.gateway.service.type=LoadBalancer": "called from outside",
                "components.planner.scratch.medium=Memory": "count against the memory limit",
                "kafka.tls.enabled=false": "kafka.tls.enabled=false",
                "store.endpoint=http://s3:80": "store.endpoint is http",
                "bundles.source=tiny": "bundles.source=tiny",
            },
        ),
        ("gpu", {"bundles.digest=": "bundles.digest is not set"}),
        (DEMO, {"logLevel=info": "demo.enabled"}),
    ],
)
def test_the_notes_warn_of_risky_choices(example: str, changes: dict[str, str]) -> None:
    warned = notes(example, *changes).partition("WARNING")[2]
    assert [expected for expected in changes.values() if expected not in warned] == []
