"""What a release has only where it is asked for: Triton, ways in, monitors."""

from __future__ import annotations

from typing import Any, Final

from pairmill_models.triton_config import Backend
from tests.unit.chart.rendering import (
    EXAMPLES,
    Object,
    PodOf,
    component_of,
    of_kind,
    only,
    pods,
    rendered,
)

OPERATORS: Final = {
    "Certificate",
    "HTTPRoute",
    "KafkaTopic",
    "PodMonitor",
    "PrometheusRule",
    "ScaledObject",
    "TLSRoute",
    "TriggerAuthentication",
}
"""Kinds that a cluster knows only where somebody else has brought their definitions."""


def _triton(objects: tuple[Object, ...]) -> PodOf:
    return next(pod for pod in pods(objects) if component_of(pod.owner) == "triton")


def _named(entries: Any, name: str) -> Any:
    return next(entry for entry in entries if entry["name"] == name)


def test_as_little_as_can_be_said_needs_no_operator() -> None:
    assert {each["kind"] for each in rendered("minimal")} & OPERATORS == set()
    asked = {each["kind"] for example in EXAMPLES for each in rendered(example)}
    assert asked >= OPERATORS


def test_triton_has_a_gpu_and_the_nodes_that_have_one() -> None:
    pod = _triton(rendered("gpu"))
    assert pod.spec["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert pod.spec["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert pod.spec["runtimeClassName"] == "nvidia"
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod.spec["tolerations"]
    assert pod.owner["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 0  # no GPU is free


def test_triton_serves_a_repository_of_a_volume_or_one_out_of_the_bundles() -> None:
    given = _triton(rendered("gpu"))
    assert "initContainers" not in given.spec
    models = _named(given.spec["volumes"], "models")
    assert models["persistentVolumeClaim"] == {"claimName": "models", "readOnly": True}
    written = _triton(rendered("production"))
    assert [each["name"] for each in written.spec["initContainers"]] == ["bundle-0", "models-0"]
    assert "emptyDir" in _named(written.spec["volumes"], "models")
    assert "--backend=onnxruntime" in written.spec["initContainers"][1]["args"]
    assert {backend.value for backend in Backend} == {"onnxruntime", "python"}  # as the schema has them


def test_bundles_beside_the_served_one_are_brought_to_those_alone_that_want_them() -> None:
    brought = {
        component_of(pod.owner): [each["args"][3] for each in pod.spec["initContainers"] if _fetches(each)]
        for pod in pods(rendered("production", "bundles.others[0]=vit-h-14"))
        if "initContainers" in pod.spec
    }
    served, every = ["/bundles/vit-l-14"], ["/bundles/vit-l-14", "/bundles/vit-h-14"]
    assert brought == {
        "gateway": every,
        "explorer": every,
        "triton": every,
        "inference": served,
        "scorer": served,
    }


def test_an_image_with_bundles_is_copied_to_where_none_of_it_is_hidden() -> None:
    pod = next(pod for pod in pods(rendered("another-bundle")) if component_of(pod.owner) == "scorer")
    (copying,) = pod.spec["initContainers"]
    assert copying["command"][-1] == "/bundles"
    (mount,) = copying["volumeMounts"]
    assert mount["name"] == "bundles"
    assert not f"{copying['command'][-1]}/".startswith(f"{mount['mountPath']}/")
    assert f'"$0"/. {mount["mountPath"]}/' in copying["command"][2]


def _fetches(container: Any) -> bool:
    return bool(container["args"][:2] == ["bundle", "fetch"])


def test_triton_follows_what_waits_in_its_queues() -> None:
    scaled = only(rendered("production"), "ScaledObject", "triton")["spec"]
    trigger = scaled["triggers"][0]
    assert trigger["type"] == "prometheus"
    assert "nv_inference_pending_request_count" in trigger["metadata"]["query"]
    assert scaled["scaleTargetRef"]["name"] == _triton(rendered("production")).owner["metadata"]["name"]
    assert scaled["minReplicaCount"] >= 1


def test_tls_ends_before_the_page_and_goes_on_to_the_api() -> None:
    pages = {component_of(each): each for each in of_kind(rendered("production"), "Ingress")}
    backends = {
        component: page["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"]["name"]
        for component, page in pages.items()
    }
    assert backends == {"explorer": "http", "gateway": "grpc"}
    assert all(page["spec"]["tls"][0]["secretName"] for page in pages.values())
    routes = rendered("gpu")
    assert only(routes, "HTTPRoute", "explorer")["spec"]["rules"][0]["backendRefs"][0]["port"] == 7700
    assert only(routes, "TLSRoute", "gateway")["spec"]["rules"][0]["backendRefs"][0]["port"] == 7600


def test_measures_have_the_labels_that_rules_and_dashboards_count_on() -> None:
    monitors = {component_of(each): each for each in of_kind(rendered("production"), "PodMonitor")}
    assert set(monitors) == {"monitoring", "triton"}
    for component, job in (("monitoring", "pairmill"), ("triton", "triton")):
        endpoint = monitors[component]["spec"]["podMetricsEndpoints"][0]
        given = {rule["targetLabel"]: rule for rule in endpoint["relabelings"]}
        assert given["job"]["replacement"] == job
        assert given["member"]["sourceLabels"] == ["__meta_kubernetes_pod_name"]
        assert "service" in given
        assert monitors[component]["metadata"]["labels"]["release"] == "prometheus"


def test_monitors_scrape_ports_that_pods_have() -> None:
    objects = rendered("production")
    for monitor in of_kind(objects, "PodMonitor"):
        port = monitor["spec"]["podMetricsEndpoints"][0]["port"]
        selected = monitor["spec"]["selector"]["matchLabels"].items()
        found = {
            component_of(pod.owner)
            for pod in pods(objects)
            if selected <= pod.metadata["labels"].items()
            and port in {each["name"] for each in pod.spec["containers"][0].get("ports", ())}
        }
        assert len(found) == (1 if component_of(monitor) == "triton" else 9)


def test_without_the_operator_pods_can_say_themselves_what_is_scraped() -> None:
    objects = rendered("minimal", "monitoring.scrapeAnnotations=true")
    crawler = next(pod for pod in pods(objects) if component_of(pod.owner) == "crawler")
    assert crawler.metadata["annotations"]["prometheus.io/port"] == "9100"


def test_members_follow_the_processor_where_that_is_asked_for() -> None:
    scaled = only(rendered("production"), "HorizontalPodAutoscaler", "explorer")["spec"]
    assert (scaled["minReplicas"], scaled["maxReplicas"]) == (2, 6)
    assert scaled["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 80}
