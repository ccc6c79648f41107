"""Who says how many members there are: where autoscaling is switched on, none are to go in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from tests.unit.chart.kube_api import KubeApi, serving
from tests.unit.chart.rendering import Object, only, rendered, rendered_at

SCALED: Final = "explorer"
ON: Final = (f"components.{SCALED}.autoscaling.mode=hpa", "checkSecrets=false")
HELM: Final = {"manager": "helm", "operation": "Apply"}
HELM_3: Final = {"manager": "helm", "operation": "Update"}
AUTOSCALER: Final = {"manager": "kube-controller-manager", "operation": "Update", "subresource": "scale"}


def owns(manager: dict[str, str], *fields: str) -> dict[str, Any]:
    """Returns the entry of a manager, which always has the template."""
    return {**manager, "fieldsV1": {"f:spec": {f"f:{field}": {} for field in ("template", *fields)}}}


def live(replicas: int, *owners: dict[str, Any]) -> Object:
    """Returns the scaled workload as it is in the cluster."""
    workload = only(rendered("minimal"), "Deployment", SCALED)
    metadata = {**workload["metadata"], "managedFields": list(owners)}
    return {**workload, "metadata": metadata, "spec": {"replicas": replicas}}


def stated(there: list[Object], folder: Path, *sets: str) -> int | None:
    """Returns the number that an upgrade states for it; nothing where it states none."""
    with serving(KubeApi.of(rendered("minimal", *ON), there), folder) as cluster:
        objects = rendered_at(cluster, "minimal", *sets)
    number = only(objects, "Deployment", SCALED)["spec"].get("replicas")
    assert number is None or isinstance(number, int)
    return number


@pytest.mark.parametrize("replicas", [5, 0])
def test_a_number_that_helm_has_stated_goes_on_as_it_is(replicas: int, tmp_path: Path) -> None:
    assert stated([live(replicas, owns(HELM, "replicas"))], tmp_path, *ON) == replicas


def test_a_number_that_the_autoscaler_has_set_is_left_to_it(tmp_path: Path) -> None:
    assert stated([live(5, owns(HELM), owns(AUTOSCALER, "replicas"))], tmp_path, *ON) is None


def test_a_number_that_was_never_stated_is_not_stated_now(tmp_path: Path) -> None:
    assert stated([live(1, owns(HELM))], tmp_path, *ON) is None


def test_a_first_installation_leaves_it_to_the_autoscaler(tmp_path: Path) -> None:
    assert stated([], tmp_path, *ON) is None


def test_helm_3_states_none_for_what_it_states_once_it_states_at_each_upgrade(tmp_path: Path) -> None:
    assert stated([live(5, owns(HELM_3, "replicas"))], tmp_path, *ON) is None


def test_without_autoscaling_the_value_holds(tmp_path: Path) -> None:
    off = ("checkSecrets=false", f"components.{SCALED}.replicas=3")
    assert stated([live(5, owns(HELM), owns(AUTOSCALER, "replicas"))], tmp_path, *off) == 3
