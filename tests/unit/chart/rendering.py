"""The chart as Helm renders it: objects as plain values, or the message of a refusal."""

from __future__ import annotations

import functools
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml  # type: ignore[import-untyped] # no stubs of it among our tools; only its loader is used

from deploy.local.cache import Cache
from deploy.local.helm import VERSION
from tests.conftest import REPOSITORY
from tests.fakes.provided import lacking

Object: TypeAlias = Mapping[str, Any]

CHART: Final = REPOSITORY / "helm" / "pairmill"
EXAMPLES: Final = tuple(sorted(path.stem for path in (CHART / "examples").glob("*.yaml")))
DEMO: Final = "demo"
"""What the release brings everything for itself; its secrets are drawn, so no two renderings are equal."""
RELEASE: Final = "mill"
NAMESPACE: Final = "data"
KUBERNETES: Final = "1.34.0"
_NO_CLUSTER: Final = {"KUBECONFIG": "/dev/null", "HOME": "/nonexistent", "PATH": ""}
_EXPANDED: Final = re.compile(r"\$\(\w+_SERVICE_HOST\)")
"""What the kubelet puts an address in place of."""


def helm(version: str = VERSION) -> Path:
    """Returns the program; skips or fails the test where nobody has provided it."""
    program = Cache.of_user().root / f"helm-{version}" / "helm"
    if not program.exists():
        lacking(f"Helm {version}", "make parts")
    return program


@functools.cache
def rendered(example: str, *sets: str) -> tuple[Object, ...]:
    """Returns all objects of an example; `sets` are `path=value` on top of it."""
    done = _template(example, sets)
    assert done.returncode == 0, done.stderr
    return tuple(document for document in load_all(done.stdout) if document)


def golden_text(example: str) -> str:
    """Returns what Helm writes for an example, without dashboards and rules, which others test."""
    done = _template(example, ("monitoring.dashboards.enabled=false", "monitoring.rules.enabled=false"))
    assert done.returncode == 0, done.stderr
    return done.stdout


def notes(example: str, *sets: str) -> str:
    """Returns what a person reads after an installation."""
    command = [str(helm()), "install", RELEASE, str(CHART), "--namespace", NAMESPACE, "--dry-run=client"]
    for each in sets:
        command += ["--set", each]
    command += ["--values", str(_values_file(example))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=_NO_CLUSTER)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("\nNOTES:\n")[2]


def refusal(example: str, *sets: str) -> str:
    """Returns the message with which values are refused."""
    done = _template(example, sets)
    assert done.returncode != 0, "the values were taken"
    return done.stderr


def rendered_at(cluster: Path, example: str, *sets: str) -> tuple[Object, ...]:
    """Returns all objects as for an upgrade in the cluster that a file leads to, which templates may ask."""
    done = _template(example, sets, cluster)
    assert done.returncode == 0, done.stderr
    return tuple(document for document in load_all(done.stdout) if document)


def refusal_at(cluster: Path, example: str, *sets: str) -> str:
    """Returns the message with which values are refused for the cluster that a file leads to."""
    done = _template(example, sets, cluster)
    assert done.returncode != 0, "the values were taken"
    return done.stderr


def rendered_by(program: Path, example: str, *sets: str) -> tuple[Object, ...]:
    """Returns all objects of an example as another Helm renders them."""
    done = _template(example, sets, other=program)
    assert done.returncode == 0, done.stderr
    return tuple(document for document in load_all(done.stdout) if document)


def refusal_by(program: Path, example: str, *sets: str) -> str:
    """Returns the message with which another Helm refuses values."""
    done = _template(example, sets, other=program)
    assert done.returncode != 0, "the values were taken"
    return done.stderr


def load_all(text: str) -> Iterator[Object]:
    """Yields the documents of a text."""
    yield from yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def load_file(path: Path) -> Any:
    """Returns what one YAML file holds."""
    return next(load_all(path.read_text()))


def of_kind(objects: tuple[Object, ...], *kinds: str) -> list[Object]:
    """Returns the objects of some kinds."""
    return [each for each in objects if each["kind"] in kinds]


def component_of(each: Object) -> str:
    """Returns which component an object belongs to."""
    return str(each["metadata"]["labels"]["app.kubernetes.io/component"])


def only(objects: tuple[Object, ...], kind: str, component: str) -> Object:
    """Returns the one object of a kind that a component has."""
    found = [each for each in of_kind(objects, kind) if component_of(each) == component]
    assert len(found) == 1, [each["metadata"]["name"] for each in found]
    return found[0]


@dataclass(frozen=True, slots=True)
class PodOf:
    """A pod that an object makes or is."""

    owner: Object
    metadata: Mapping[str, Any]
    spec: Mapping[str, Any]

    @property
    def name(self) -> str:
        """For the reader of a failure."""
        return f"{self.owner['kind']}/{self.owner['metadata']['name']}"

    @property
    def containers(self) -> list[Mapping[str, Any]]:
        """All of its containers, those of its start first."""
        return [*self.spec.get("initContainers", ()), *self.spec["containers"]]


def pods(objects: tuple[Object, ...]) -> list[PodOf]:
    """Returns every pod that objects make."""
    made = [
        PodOf(each, each["spec"]["template"]["metadata"], each["spec"]["template"]["spec"])
        for each in of_kind(objects, "StatefulSet", "Deployment", "Job")
    ]
    return made + [PodOf(each, each["metadata"], each["spec"]) for each in of_kind(objects, "Pod")]


def service_pods(objects: tuple[Object, ...], services: tuple[str, ...]) -> dict[str, PodOf]:
    """Returns the pods of our services by component."""
    return {
        component_of(pod.owner): pod
        for pod in pods(objects)
        if component_of(pod.owner) in services and pod.owner["kind"] in ("StatefulSet", "Deployment")
    }


def environment(objects: tuple[Object, ...], component: str) -> dict[str, str]:
    """Returns the variables that a service's container has; those with a source stand for what they name."""
    data = dict(only(objects, "ConfigMap", component)["data"])
    pod = next(pod for pod in pods(objects) if component_of(pod.owner) == component)
    container = pod.spec["containers"][0]
    for entry in container.get("env", ()):
        value = entry.get("value") or _sourced(entry["valueFrom"])
        data[entry["name"]] = _EXPANDED.sub("10.96.0.7", value)
    return data


def _sourced(source: Mapping[str, Any]) -> str:
    return "mill-0" if "fieldRef" in source else "2"


def _template(
    example: str, sets: tuple[str, ...], cluster: Path | None = None, other: Path | None = None
) -> subprocess.CompletedProcess[str]:
    command = [str(other or helm()), "template", RELEASE, str(CHART), "--namespace", NAMESPACE]
    if other:  # Helm 3 that Go has built believes in Kubernetes 1.20
        command += ["--kube-version", KUBERNETES]
    env = _NO_CLUSTER
    if cluster:
        command += ["--dry-run=server", "--is-upgrade", "--disable-openapi-validation"]
        env = {**_NO_CLUSTER, "KUBECONFIG": str(cluster)}
    if example:
        command += ["--values", str(_values_file(example))]
    for each in sets:
        command += [_option(each), each]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=env)


def _option(change: str) -> str:
    if change.endswith("=[]"):  # which no other option can say
        return "--set-json"
    return "--set-string" if ".env." in change else "--set"


def _values_file(example: str) -> Path:
    return CHART / "values-demo.yaml" if example == DEMO else CHART / "examples" / f"{example}.yaml"
