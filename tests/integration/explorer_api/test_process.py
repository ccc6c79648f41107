"""The explorer's process: ready when it can answer, drained at SIGTERM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pairmill.dataset.reader import Dataset
from pairmill.errors import ConfigurationError
from pairmill.store.directory import DirectoryStore
from pairmill_explorer.main import main
from pairmill_index.build import build_index
from pairmill_index.options import BuildOptions
from tests.fakes.dataset import build_dataset
from tests.fakes.processes import wait_until
from tests.fakes.rpc import TokenFile


class Process:
    """An explorer as `pairmill serve explorer` starts it."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as stream:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "pairmill_explorer"],
                env={**os.environ, **env},
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    def events(self) -> list[dict[str, Any]]:
        """Returns its log so far."""
        lines = self._log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def event(self, name: str) -> dict[str, Any]:
        """Waits for a line of the log."""
        wait_until(lambda: any(one["event"] == name for one in self.events()))
        return next(one for one in self.events() if one["event"] == name)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with an index."""
    folder = tmp_path_factory.mktemp("served")
    build_dataset(folder / "dataset")
    store = DirectoryStore(folder / "dataset")
    build_index(Dataset.open(folder / "dataset"), store, BuildOptions(), scratch=folder)
    return folder / "dataset"


@pytest.fixture
def env(tmp_path: Path, tokens: TokenFile, dataset: Path) -> dict[str, str]:
    """Its settings."""
    return {
        "PAIRMILL_DATASETS": f"first=file://{dataset}",
        "PAIRMILL_CORE__SCRATCH": str(tmp_path / "scratch"),
        "PAIRMILL_HTTP__LISTEN": "127.0.0.1:0",
        "PAIRMILL_HTTP__TOKENS_FILE": str(tokens.path),
        "PAIRMILL_HTTP__LINGER_SECONDS": "0",
        "PAIRMILL_RPC__LISTEN": "127.0.0.1:0",
        "PAIRMILL_RPC__TOKENS_FILE": str(tokens.path),
        "PAIRMILL_RPC__ALLOW_INSECURE": "yes",
        "PAIRMILL_RPC__LINGER_SECONDS": "0",
        "PAIRMILL_ADMIN_PORT": "0",
    }


@pytest.fixture
def started(env: dict[str, str], tmp_path: Path) -> Iterator[Process]:
    """A process that serves."""
    process = Process(env, tmp_path / "log")
    yield process
    process.child.kill()
    process.child.wait()


def test_it_serves_what_its_settings_name_and_ends_at_sigterm(started: Process, tokens: TokenFile) -> None:
    port = started.event("web_served")["port"]
    admin = started.event("service_started")["admin_port"]
    assert fetch(f"http://127.0.0.1:{admin}/readyz") == 200
    assert fetch(f"http://127.0.0.1:{admin}/livez") == 200
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics") as answer:
        page = answer.read().decode()
    assert 'pairmill_index_info{dataset="first",version="' in page
    assert 'pairmill_dataset_in_trouble{dataset="first"} 0.0' in page
    assert fetch(f"http://127.0.0.1:{port}/indices-list") == 401
    assert fetch(f"http://127.0.0.1:{port}/indices-list", tokens.tokens["read"]) == 200
    started.child.send_signal(signal.SIGTERM)
    assert started.child.wait(30) == 0
    assert started.event("service_stopped")["exit_code"] == 0


def test_a_dataset_without_an_index_is_served_as_soon_as_it_has_one(
    env: dict[str, str], tmp_path: Path
) -> None:
    build_dataset(tmp_path / "new")
    changed = env | {
        "PAIRMILL_DATASETS": f"new=file://{tmp_path / 'new'}",
        "PAIRMILL_CORE__POLL_SECONDS": "0.2",
    }
    process = Process(changed, tmp_path / "log")
    try:
        admin = process.event("service_started")["admin_port"]
        assert fetch(f"http://127.0.0.1:{admin}/readyz") == 503
        assert fetch(f"http://127.0.0.1:{admin}/livez") == 200
        store = DirectoryStore(tmp_path / "new")
        build_index(Dataset.open(tmp_path / "new"), store, BuildOptions(), scratch=tmp_path)
        wait_until(lambda: fetch(f"http://127.0.0.1:{admin}/readyz") == 200)
    finally:
        process.child.kill()
        process.child.wait()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"PAIRMILL_DATASETS": ""}, "datasets"),
        ({"PAIRMILL_DATASETS": "first"}, "write key=value"),
        ({"PAIRMILL_DATASETS": "first=ftp://x"}, "no address of a store"),
        ({"PAIRMILL_HTTP__LISTEN": "", "PAIRMILL_RPC__LISTEN": ""}, "neither http.listen nor rpc.listen"),
        ({"PAIRMILL_HTTP__LISTEN": "somewhere"}, "no host:port"),
        ({"PAIRMILL_HTTP__TOKENS_FILE": "/absent"}, "http.tokens_file"),
        ({"PAIRMILL_WORK__THREADS": "0"}, "at least 1"),
    ],
    ids=str,
)
def test_wrong_settings_are_named(env: dict[str, str], changes: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        main({**env, **changes})
    assert problem in str(caught.value)


def fetch(url: str, token: str = "") -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return int(error.code)
