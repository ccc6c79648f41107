"""A dataset of the demo's kind, served, and the peer's client."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from prometheus_client import CollectorRegistry

from deploy.local.errors import MissingToolError
from pairmill.clock import SystemClock
from pairmill.dataset.reader import Dataset
from pairmill.rpc.config import RpcConfig
from pairmill.store.directory import DirectoryStore
from pairmill_explorer.desks import opened_desks
from pairmill_explorer.open import CoreConfig, Explorer, open_explorer
from pairmill_explorer.rpc.work import WorkConfig
from pairmill_explorer.serving import serving
from pairmill_index.build import build_index
from pairmill_index.options import BuildOptions
from tests.fakes.explorer_served import http_config
from tests.fakes.provided import lacking
from tests.fakes.rpc import TokenFile, callers
from tests.peers.environment import client_python

Ask: TypeAlias = Callable[..., list[list[dict[str, Any]]]]

CANDIDATES = 400


@pytest.fixture(scope="session")
def client() -> Path:
    """The interpreter that has the client."""
    try:
        return client_python()
    except MissingToolError as error:
        lacking(error.what, error.remedy)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset out of the synthetic web, embedded by the tiny CLIP, with an index."""
    out = tmp_path_factory.mktemp("peers") / "demo"
    command = [sys.executable, "-m", "pairmill_standalone", "demo", "--out", str(out)]
    subprocess.run([*command, "--candidates", str(CANDIDATES)], check=True, capture_output=True)
    build_index(Dataset.open(out), DirectoryStore(out), BuildOptions(), scratch=out.parent)
    return out


@pytest.fixture(scope="session")
def explorer(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explorer]:
    """Its core."""
    config = CoreConfig(scratch=tmp_path_factory.mktemp("core"), poll_seconds=3600, image_processes=1)
    with open_explorer({"demo": DirectoryStore(dataset)}, config) as opened:
        yield opened


@pytest.fixture(scope="session")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> TokenFile:
    """Callers."""
    return callers(tmp_path_factory.mktemp("tokens"))


@pytest.fixture(scope="session")
def url(explorer: Explorer, tokens: TokenFile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address for the client: it can bring a token in it only."""
    registry, clock = CollectorRegistry(), SystemClock()
    scratch = tmp_path_factory.mktemp("desks")
    with (
        opened_desks(explorer, scratch=scratch, registry=registry, clock=clock) as desks,
        serving(
            desks,
            http=http_config(tokens),
            rpc=RpcConfig(),
            work=WorkConfig(calls_per_minute=0),
            registry=registry,
            clock=clock,
        ) as running,
    ):
        assert running.http is not None
        yield f"http://any:{tokens.tokens['read']}@127.0.0.1:{running.http.port}/knn-service"


@pytest.fixture
def ask(client: Path, url: str) -> Ask:
    """Has the client make queries, each with options of its own; returns what they returned."""

    def made(*calls: tuple[dict[str, Any], dict[str, Any]]) -> list[list[dict[str, Any]]]:
        given = [
            {"client": {"url": url, "indice_name": "demo", **options}, "query": query}
            for options, query in calls
        ]
        script = Path(__file__).with_name("client_process.py")
        found = subprocess.run(
            [client, "-P", script], input=json.dumps(given).encode(), capture_output=True, check=False
        )
        assert found.returncode == 0, found.stderr.decode()
        answers: list[list[dict[str, Any]]] = json.loads(found.stdout)
        return answers

    return made
