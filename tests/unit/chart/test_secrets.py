"""Each secret that a release names is looked up before an installation, where Helm can ask a cluster."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.unit.chart.kube_api import KubeApi, secret, serving
from tests.unit.chart.rendering import (
    EXAMPLES,
    Object,
    of_kind,
    pods,
    refusal_at,
    rendered,
    rendered_at,
)

KEDA_S: Final = ("pairmill-kafka", "username")


def _named(objects: tuple[Object, ...]) -> dict[str, set[str]]:
    """Returns the keys of each secret that pods or KEDA are to read; cert-manager makes its own."""
    made = {each["spec"]["secretName"] for each in of_kind(objects, "Certificate")}
    found: dict[str, set[str]] = {}
    for name, key in [*_of_pods(objects), *_of_keda(objects)]:
        if name not in made:
            found.setdefault(name, set()).add(key)
    return found


def _of_pods(objects: tuple[Object, ...]) -> Iterable[tuple[str, str]]:
    for pod in pods(objects):
        for volume in pod.spec["volumes"]:
            sources: list[Any] = volume.get("projected", {}).get("sources", [])
            for source in (each["secret"] for each in sources):
                yield from ((source["name"], item["key"]) for item in source["items"])


def _of_keda(objects: tuple[Object, ...]) -> Iterable[tuple[str, str]]:
    for each in of_kind(objects, "TriggerAuthentication"):
        yield from ((target["name"], target["key"]) for target in each["spec"]["secretTargetRef"])


def _cluster(example: str, *there: Object) -> KubeApi:
    return KubeApi.of(rendered(example), there)


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_secret_that_is_not_there_is_named(example: str, tmp_path: Path) -> None:
    with serving(_cluster(example), tmp_path) as cluster:
        said = refusal_at(cluster, example)
    unsaid = [name for name in _named(rendered(example)) if f"there is no secret {name} " not in said]
    assert unsaid == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_key_that_is_not_there_is_named(example: str, tmp_path: Path) -> None:
    named = _named(rendered(example))
    with serving(_cluster(example, *(secret(name, ()) for name in named)), tmp_path) as cluster:
        said = refusal_at(cluster, example)
    pairs = [(name, key) for name, keys in named.items() for key in keys]
    assert pairs
    assert [(name, key) for name, key in pairs if f"the secret {name} has no key {key}\n" not in said] == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_where_all_are_there_they_are_taken(example: str, tmp_path: Path) -> None:
    there = [secret(name, keys) for name, keys in _named(rendered(example)).items()]
    with serving(_cluster(example, *there), tmp_path) as cluster:
        assert rendered_at(cluster, example)


def test_the_user_s_name_is_wanted_for_keda_alone(tmp_path: Path) -> None:
    name, key = KEDA_S
    named = _named(rendered("production"))
    assert key in named[name]
    there = [secret(each, keys - {key}) for each, keys in named.items()]
    with serving(_cluster("production", *there), tmp_path) as cluster:
        assert f"the secret {name} has no key {key}\n" in refusal_at(cluster, "production")
        fixed = [f"components.{each}.autoscaling.mode=none" for each in _scaled_by_keda()]
        assert rendered_at(cluster, "production", *fixed)


def _scaled_by_keda() -> set[str]:
    labels = [each["metadata"]["labels"] for each in of_kind(rendered("production"), "ScaledObject")]
    return {each["app.kubernetes.io/component"] for each in labels} - {"triton"}
