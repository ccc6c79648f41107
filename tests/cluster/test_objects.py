"""A real API server takes every object of every example, where restricted pods alone are admitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped] # no stubs of it among our tools; only its loader is used

from deploy.cluster.kubectl import Namespace
from deploy.cluster.release import CHART, DEMO_VALUES, Release

EXAMPLES: Final = {path.stem: path for path in (*sorted((CHART / "examples").glob("*.yaml")), DEMO_VALUES)}
OF_OPERATORS: Final = frozenset(
    {
        "autoscaling.x-k8s.io", "cert-manager.io", "gateway.networking.k8s.io", "kafka.strimzi.io", "keda.sh",
        "monitoring.coreos.com",
    }
)  # fmt: skip
"""Groups whose objects only their operators' own definitions can judge."""


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_server_would_take_every_object(space: Namespace, example: str) -> None:
    objects = _objects(space, EXAMPLES[example])
    known = _groups(space)
    judged = [each for each in objects if _group(each) in known]
    left = {_group(each) for each in objects} - known
    assert left <= OF_OPERATORS, left
    answer = space.ask("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(judged))
    assert len(answer.out.splitlines()) == len(judged)
    assert "would violate PodSecurity" not in answer.err


def test_a_pod_that_is_not_restricted_would_be_warned_of(space: Namespace) -> None:
    """What the test above looks for is there to be found."""
    wrong = [each for each in _objects(space, DEMO_VALUES) if each["kind"] == "StatefulSet"][:1]
    del wrong[0]["spec"]["template"]["spec"]["securityContext"]
    answer = space.ask("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(wrong))
    assert "would violate PodSecurity" in answer.err


def _objects(space: Namespace, values: Path) -> list[dict[str, Any]]:
    rendered = Release(namespace=space, name="checked", values=(values,)).render(api_versions=_versions())
    objects = [each for each in yaml.safe_load_all(rendered) if each]
    for each in objects:  # some go to other namespaces, such as that of Grafana
        each["metadata"]["namespace"] = space.name
    return objects


def _versions() -> list[str]:
    return ["monitoring.coreos.com/v1", "keda.sh/v1alpha1", "cert-manager.io/v1", "kafka.strimzi.io/v1"]


def _groups(space: Namespace) -> set[str]:
    """The groups of objects that the server knows."""
    return {line.partition("/")[0] if "/" in line else "" for line in space("api-versions").splitlines()}


def _group(item: dict[str, Any]) -> str:
    version = str(item["apiVersion"])
    return version.partition("/")[0] if "/" in version else ""
