"""Which chart the upgrade begins from, found in a repository of a few commits."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.cluster.previous import CHART, previous_commit, unpack_chart

WHO: Final = ("-c", "user.name=one", "-c", "user.email=one@example.org", "-c", "commit.gpgsign=false")


def git(repository: Path, *arguments: str) -> str:
    command = ["git", *WHO, *arguments]
    return subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout.strip()


def commit(repository: Path, chart: str) -> str:
    """Commits a Chart.yaml; returns the commit."""
    (repository / CHART).mkdir(parents=True, exist_ok=True)
    (repository / CHART / "Chart.yaml").write_text(chart)
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "one")
    return git(repository, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "empty")
    return tmp_path


def test_it_is_the_last_one_of_the_version_before(repository: Path) -> None:
    commit(repository, "version: 1\n")
    last = commit(repository, "version: 1\nkubeVersion: 2\n")
    commit(repository, "version: 2\nkubeVersion: 2\n")
    commit(repository, "version: 2\nkubeVersion: 3\n")
    assert previous_commit(repository, "first") == last


def test_where_the_version_never_changed_it_is_the_one_that_is_named(repository: Path) -> None:
    commit(repository, "version: 1\n")
    commit(repository, "version: 1\nkubeVersion: 2\n")
    assert previous_commit(repository, "first") == "first"


def test_a_chart_is_laid_out_as_it_was(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    old = commit(repository, "version: 1\n")
    commit(repository, "version: 2\n")
    found = unpack_chart(repository, old, tmp_path_factory.mktemp("old"))
    assert found is not None
    assert (found / "Chart.yaml").read_text() == "version: 1\n"


def test_a_commit_that_was_not_fetched_gives_no_chart(repository: Path, tmp_path: Path) -> None:
    assert unpack_chart(repository, "0" * 40, tmp_path) is None
