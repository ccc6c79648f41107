"""A cluster that was given by KUBECONFIG, namespaces of it, and the dataset to compare with."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.cluster.kubectl import RESTRICTED, Namespace
from deploy.cluster.settings import ClusterSettings
from deploy.local.commands import own_environment, python_module
from deploy.local.errors import MissingToolError
from tests.cluster.demo import CANDIDATES, SEED
from tests.fakes.provided import lacking

Spaces = Callable[[], Namespace]


@pytest.fixture(scope="session")
def cluster() -> ClusterSettings:
    """The cluster that the environment names."""
    try:
        return ClusterSettings.from_env(os.environ)
    except MissingToolError as error:
        lacking(error.what, error.remedy)


@pytest.fixture(scope="module")
def space(cluster: ClusterSettings) -> Iterator[Namespace]:
    """A namespace that lets in nothing but restricted pods."""
    with restricted(cluster) as namespace:
        yield namespace


@contextmanager
def restricted(cluster: ClusterSettings) -> Iterator[Namespace]:
    """Makes a namespace that lets in nothing but restricted pods, and removes it at the end."""
    namespace = Namespace(settings=cluster, name=f"pairmill-test-{secrets.token_hex(4)}")
    namespace.make(RESTRICTED)
    try:
        yield namespace
    finally:
        if not os.environ.get("CLUSTER_KEEP"):
            namespace.remove()


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset of the same demo on one machine; it may be in the folder CLUSTER_EMBEDDED already."""
    given = os.environ.get("CLUSTER_EMBEDDED")
    folder = Path(given) if given else tmp_path_factory.mktemp("embedded") / "demo"
    arguments = ("demo", "--out", folder, "--candidates", CANDIDATES, "--seed", SEED, "--json")
    command = python_module("pairmill_standalone", *arguments)
    done = subprocess.run(command, env=own_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder
