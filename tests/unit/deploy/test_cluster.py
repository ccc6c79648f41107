"""What the tests of a cluster are told, and what they make of rendered objects."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.cluster.images import images_of, load_images
from deploy.cluster.kubectl import ClusterError, Namespace, ask
from deploy.cluster.release import Release
from deploy.cluster.settings import STANDIN_VALUES, ClusterSettings
from deploy.cluster.standins import STANDINS
from deploy.local.errors import FetchError, MissingToolError
from tests.unit.deploy.compose_file import read_yaml


@pytest.fixture
def settings(tmp_path: Path) -> ClusterSettings:
    """Settings whose kubectl and Helm say how they were called."""
    echo = tmp_path / "echo"
    echo.write_text('#!/bin/sh\necho "$@"\necho "by $KUBECONFIG" >&2\n')
    echo.chmod(0o755)
    return ClusterSettings(
        kubeconfig=tmp_path / "kubeconfig", kubectl=echo, helm=echo, loader=(), values=(STANDIN_VALUES,)
    )


def test_without_a_cluster_it_is_said_how_to_name_one(tmp_path: Path) -> None:
    for env in ({}, {"KUBECONFIG": str(tmp_path / "gone")}):
        with pytest.raises(MissingToolError, match="set KUBECONFIG"):
            ClusterSettings.from_env(env)


def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.touch()
    found = ClusterSettings.from_env(
        {
            "KUBECONFIG": str(kubeconfig),
            "KUBECTL": "/opt/kubectl",
            "HELM": "/opt/helm",
            "IMAGE_LOADER": "kind load image-archive --name 'my cluster'",
            "CLUSTER_VALUES": "a.yaml, b.yaml",
        }
    )
    assert found.loader == ("kind", "load", "image-archive", "--name", "my cluster")
    assert found.values == (Path("a.yaml"), Path("b.yaml"))
    assert (found.kubectl, found.helm) == (Path("/opt/kubectl"), Path("/opt/helm"))


def test_images_are_found_once_each_in_what_is_rendered() -> None:
    rendered = 'spec:\n  - image: "a:1"\n    name: x\n  - name: y\n    image: b@sha256:0\n    image: a:1\n'
    assert images_of(rendered) == ["a:1", "b@sha256:0"]


def test_a_cluster_without_a_loader_has_to_pull(settings: ClusterSettings) -> None:
    with pytest.raises(FetchError, match="IMAGE_LOADER"):
        load_images(settings, ["a:1"], lambda text: None)


def test_programs_are_told_the_cluster_and_the_namespace(settings: ClusterSettings) -> None:
    space = Namespace(settings=settings, name="here")
    answer = space.ask("get", "pods", 1)
    assert answer.out == "--namespace here get pods 1\n"
    assert answer.err == f"by {settings.kubeconfig}\n"


def test_what_a_program_says_of_its_failure_is_told(settings: ClusterSettings) -> None:
    with pytest.raises(ClusterError, match="ended with code 3:\nno such thing"):
        ask(["sh", "-c", "echo no such thing >&2; exit 3"], settings)
    with pytest.raises(ClusterError, match=r"took more than 0\.1 s"):
        ask(["sleep", "30"], settings, seconds=0.1)


def test_texts_stay_texts_when_values_are_changed(settings: ClusterSettings) -> None:
    release = Release(namespace=Namespace(settings=settings, name="n"), name="demo", values=(Path("v.yaml"),))
    said = release.upgrade({"replicas": 2, "rule": "2"}, chart=Path("chart"), seconds=5)
    assert said.startswith("upgrade demo chart --values v.yaml --set replicas=2 --set-string rule=2 --wait")
    assert said.endswith("--timeout 5s --namespace n\n")


def test_values_of_clusters_that_pull_nothing_name_the_images_that_are_built_for_them() -> None:
    small, triton = read_yaml(STANDIN_VALUES), read_yaml(STANDIN_VALUES.with_name("triton-cpu.yaml"))
    images = [part["image"] for part in (small["demo"]["kafka"], small["demo"]["s3"], triton["triton"])]
    named = [f"{image['repository']}:{image['tag']}" for image in images]
    assert named == [standin.image for standin in STANDINS]


@pytest.mark.parametrize(("name", "full"), [("demo", "demo-pairmill"), ("my-pairmill", "my-pairmill")])
def test_names_of_objects_follow_from_that_of_the_release(
    settings: ClusterSettings, name: str, full: str
) -> None:
    assert Release(namespace=Namespace(settings=settings, name="n"), name=name, values=()).fullname == full
