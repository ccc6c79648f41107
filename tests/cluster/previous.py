"""The chart that was before: what a release in use was installed by."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

CHART: Final = "helm/pairmill"
FIRST: Final = "e7228803006177569d05c378c262fa38fa2558da"
"""The first chart with a demo: what there is to upgrade from until the version has changed once."""


def previous_commit(repository: Path, first: str = FIRST) -> str:
    """Returns the last commit of the version of the chart that was before the present one."""
    changed = _git(repository, "log", "-1", "--format=%H", "-G", "^version:", "--", f"{CHART}/Chart.yaml")
    before = f"{changed.strip()}^"
    if not changed or not _git(repository, "ls-tree", "--name-only", before, f"{CHART}/Chart.yaml"):
        return first
    return _git(repository, "rev-parse", before).strip()


def unpack_chart(repository: Path, commit: str, folder: Path) -> Path | None:
    """Returns the chart of a commit, laid into a folder; nothing where history does not reach back to it."""
    command = f"git archive {commit} {CHART} | tar -x -C '{folder}'"
    shell = ["bash", "-o", "pipefail", "-c", command]
    done = subprocess.run(shell, cwd=repository, capture_output=True, check=False)
    return None if done.returncode else folder / CHART


def _git(repository: Path, *arguments: str) -> str:
    """Returns what git prints; nothing where it fails, as where history was not fetched."""
    done = subprocess.run(["git", *arguments], cwd=repository, capture_output=True, text=True, check=False)
    return "" if done.returncode else done.stdout
