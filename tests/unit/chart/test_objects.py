"""Rules that every object of every example keeps."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from pairmill import __version__
from pairmill_standalone.docs.settings import SERVICES
from tests.unit.chart.rendering import (
    CHART,
    DEMO,
    EXAMPLES,
    RELEASE,
    Object,
    PodOf,
    component_of,
    environment,
    load_file,
    of_kind,
    only,
    pods,
    rendered,
    service_pods,
)

ALL: Final = (*EXAMPLES, DEMO)
NAMES: Final = tuple(SERVICES)
GIVEN_LABELS: Final = {
    "app.kubernetes.io/name": "pairmill",
    "app.kubernetes.io/instance": RELEASE,
    "app.kubernetes.io/version": __version__,
    "app.kubernetes.io/part-of": "pairmill",
    "app.kubernetes.io/managed-by": "Helm",
    "helm.sh/chart": f"pairmill-{__version__}",
}
SELECTED_BY: Final = {f"app.kubernetes.io/{part}" for part in ("name", "instance", "component")}
CLUSTER_SCOPED: Final = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "Namespace",
    "PersistentVolume",
    "PriorityClass",
    "StorageClass",
}
ALLOWED_VOLUMES: Final = {
    "configMap",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
"""Of what the restricted standard of pod security allows."""
FACTS: Final[dict[str, Any]] = load_file(CHART / "files" / "components.yaml")["components"]


@pytest.fixture(params=ALL)
def objects(request: pytest.FixtureRequest) -> tuple[Object, ...]:
    return rendered(str(request.param))


def _containers(objects: tuple[Object, ...]) -> Iterator[tuple[PodOf, Any]]:
    for pod in pods(objects):
        for container in pod.containers:
            yield pod, container


def test_objects_bear_the_labels_of_all_objects(objects: tuple[Object, ...]) -> None:
    for each in objects:
        labels = each["metadata"]["labels"]
        assert GIVEN_LABELS.items() <= labels.items(), each["metadata"]["name"]
        assert labels["app.kubernetes.io/component"], each["metadata"]["name"]


def test_names_are_unique_labels_and_everything_has_a_namespace(objects: tuple[Object, ...]) -> None:
    names = [(each["kind"], each["metadata"]["namespace"], each["metadata"]["name"]) for each in objects]
    assert sorted(set(names)) == sorted(names)
    assert not {kind for kind, _, _ in names} & CLUSTER_SCOPED
    assert {
        name for _, _, name in names if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name)
    } == set()


def test_selectors_have_the_three_labels_that_never_change(objects: tuple[Object, ...]) -> None:
    for each in of_kind(objects, "StatefulSet", "Deployment", "PodDisruptionBudget"):
        assert set(each["spec"]["selector"]["matchLabels"]) == SELECTED_BY
    for each in of_kind(objects, "Service"):
        assert set(each["spec"]["selector"]) == SELECTED_BY


def test_what_is_selected_is_there(objects: tuple[Object, ...]) -> None:
    there = [pod.metadata["labels"] for pod in pods(objects)]
    wanted = [each["spec"]["selector"] for each in of_kind(objects, "Service")]
    budgets = of_kind(objects, "PodDisruptionBudget", "StatefulSet", "Deployment")
    wanted += [each["spec"]["selector"]["matchLabels"] for each in budgets]
    for selector in wanted:
        assert any(selector.items() <= labels.items() for labels in there), selector


def test_pods_are_as_restricted_as_kubernetes_knows(objects: tuple[Object, ...]) -> None:
    for pod in pods(objects):
        context = pod.spec["securityContext"]
        assert context["runAsNonRoot"] is True, pod.name
        assert context["runAsUser"] > 0, pod.name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, pod.name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod.spec), pod.name
        kinds = {kind for volume in pod.spec["volumes"] for kind in volume if kind != "name"}
        assert kinds <= ALLOWED_VOLUMES, pod.name


def test_containers_have_no_rights_and_write_nowhere(objects: tuple[Object, ...]) -> None:
    for pod, container in _containers(objects):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False, pod.name
        assert context["readOnlyRootFilesystem"] is True, pod.name
        assert context["capabilities"] == {"drop": ["ALL"]}, pod.name
        assert not context.get("privileged"), pod.name


def test_containers_say_what_they_need_and_how_much_memory_they_may_take(objects: tuple[Object, ...]) -> None:
    for pod, container in _containers(objects):
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), pod.name
        assert "memory" in container["resources"]["limits"], pod.name


def test_images_are_pinned(objects: tuple[Object, ...]) -> None:
    for pod, container in _containers(objects):
        image = container["image"].rpartition("/")[2]
        assert re.search(r"(:v?\d[\w.-]*|@sha256:[0-9a-f]{64})$", image), (pod.name, image)


def test_no_pod_has_a_token_of_the_cluster(objects: tuple[Object, ...]) -> None:
    assert [
        pod.name for pod in pods(objects) if pod.spec.get("automountServiceAccountToken") is not False
    ] == []
    accounts = of_kind(objects, "ServiceAccount")
    assert [each for each in accounts if each.get("automountServiceAccountToken") is not False] == []
    assert of_kind(objects, "Role", "RoleBinding") == []


def test_variables_of_services_are_not_made_up_by_the_cluster(objects: tuple[Object, ...]) -> None:
    """Links to a release's own Services would name PAIRMILL_GATEWAY_PORT and others that are settings."""
    linked = {
        component_of(pod.owner) for pod in pods(objects) if pod.spec.get("enableServiceLinks") is not False
    }
    assert linked <= {"downloader"}


def test_secrets_are_files_and_never_variables(objects: tuple[Object, ...]) -> None:
    for pod, container in _containers(objects):
        if component_of(pod.owner).startswith("demo-"):
            continue
        sources = [entry.get("valueFrom", {}) for entry in container.get("env", ())]
        assert not any("secretKeyRef" in source for source in sources), pod.name
        assert not any("secretRef" in entry for entry in container.get("envFrom", ())), pod.name


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_release_holds_no_secret(example: str) -> None:
    assert of_kind(rendered(example), "Secret") == []


def test_mounts_have_volumes_and_volumes_mounts(objects: tuple[Object, ...]) -> None:
    for pod in pods(objects):
        claimed = {each["metadata"]["name"] for each in pod.owner["spec"].get("volumeClaimTemplates", ())}
        volumes = {volume["name"] for volume in pod.spec["volumes"]} | claimed
        mounted = {
            mount["name"] for container in pod.containers for mount in container.get("volumeMounts", ())
        }
        assert volumes == mounted, pod.name


def test_every_file_that_a_variable_names_is_mounted(objects: tuple[Object, ...]) -> None:
    for component, pod in service_pods(objects, NAMES).items():
        named = {
            value.removeprefix("/etc/pairmill/")
            for value in environment(objects, component).values()
            if value.startswith("/etc/pairmill/")
        }
        assert named == _files_of(pod), component


def _files_of(pod: PodOf) -> set[str]:
    volume = next(volume for volume in pod.spec["volumes"] if volume["name"] == "secrets")
    items = [item for source in volume["projected"]["sources"] for item in source["secret"]["items"]]
    return {item["path"] for item in items}


def test_probes_ask_whether_it_lives_and_whether_it_is_ready(objects: tuple[Object, ...]) -> None:
    for component, pod in service_pods(objects, NAMES).items():
        container = pod.spec["containers"][0]
        asked = {
            probe: container[probe]["httpGet"]
            for probe in ("startupProbe", "livenessProbe", "readinessProbe")
        }
        assert {probe: at["path"] for probe, at in asked.items()} == {
            "startupProbe": "/livez",
            "livenessProbe": "/livez",
            "readinessProbe": "/readyz",
        }, component
        assert {at["port"] for at in asked.values()} == {"admin"}
        start = container["startupProbe"]
        assert start["periodSeconds"] * start["failureThreshold"] >= 300  # bundles of gigabytes are read


def test_a_pod_has_longer_to_end_than_it_takes(objects: tuple[Object, ...]) -> None:
    for component, pod in service_pods(objects, NAMES).items():
        env = environment(objects, component)
        hook = pod.spec["containers"][0].get("lifecycle", {}).get("preStop", {})
        before = hook.get("sleep", {}).get("seconds", 0)
        needed = sum(float(env[name]) for name in FACTS[component]["stops"])
        assert pod.spec["terminationGracePeriodSeconds"] >= before + needed + 10, component
        assert before >= (3 if "ports" in FACTS[component] else 0), component


def test_members_are_named_by_their_pods_and_the_rest_have_no_names(objects: tuple[Object, ...]) -> None:
    for component, pod in service_pods(objects, NAMES).items():
        entries = {entry["name"]: entry for entry in pod.spec["containers"][0].get("env", ())}
        if component == "explorer":
            assert pod.owner["kind"] == "Deployment"
            assert "PAIRMILL_MEMBER" not in entries
            continue
        source = entries["PAIRMILL_MEMBER"]["valueFrom"]
        assert source == {"fieldRef": {"fieldPath": "metadata.name"}}
        spec = pod.owner["spec"]
        assert spec["podManagementPolicy"] == "Parallel"
        assert "volumeClaimTemplates" not in spec  # they could never be changed
        named = {each["metadata"]["name"] for each in of_kind(objects, "Service")}
        assert spec["serviceName"] in named


def test_a_change_of_settings_rolls_the_pods() -> None:
    before, after = (
        rendered("minimal"),
        rendered("minimal", "components.crawler.env.PAIRMILL_STALL_SECONDS=60"),
    )

    def checksum(objects: tuple[Object, ...], component: str) -> str:
        return str(service_pods(objects, NAMES)[component].metadata["annotations"]["checksum/config"])

    assert checksum(before, "crawler") != checksum(after, "crawler")
    assert checksum(before, "planner") == checksum(after, "planner")


def test_who_scales_a_service_is_not_told_otherwise_by_the_release() -> None:
    objects = rendered("production")
    scaled = {component_of(each) for each in of_kind(objects, "ScaledObject", "HorizontalPodAutoscaler")}
    assert scaled
    for each in of_kind(objects, "StatefulSet", "Deployment"):
        assert ("replicas" in each["spec"]) == (component_of(each) not in scaled)


def test_the_job_for_topics_comes_before_the_services_but_for_a_kafka_of_the_release() -> None:
    job = only(rendered("production"), "Job", "topics")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    own = only(rendered(DEMO), "Job", "topics")
    assert "helm.sh/hook" not in own["metadata"].get("annotations", {})  # nothing would be ready before it
    assert own["metadata"]["name"].endswith(
        "-1"
    )  # a Job cannot be changed: the next revision has one of its own


def test_dashboards_and_rules_are_shipped_as_they_are() -> None:
    objects = rendered("production", "monitoring.runbookBaseUrl=docs/runbooks/")
    boards = [each for each in of_kind(objects, "ConfigMap") if "-dashboard-" in each["metadata"]["name"]]
    files = {path.name: path.read_text() for path in (CHART / "dashboards").glob("*.json")}
    shipped = {name.removeprefix("pairmill-"): text for each in boards for name, text in each["data"].items()}
    assert {name: json.loads(text) for name, text in shipped.items()} == {
        name: json.loads(text) for name, text in files.items()
    }
    assert all(each["metadata"]["labels"]["grafana_dashboard"] == "1" for each in boards)
    rules = only(objects, "PrometheusRule", "monitoring")
    assert rules["spec"] == load_file(CHART / "files" / "rules.yaml")
