"""Writes what the chart has of dashboards and rules, or says with `--check` which files are stale."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.grafana.boards import BOARDS
from deploy.grafana.render import rendered

_ROOT: Final = Path(__file__).resolve().parents[2]
CHART: Final = _ROOT / "helm" / "pairmill"
RULES: Final = _ROOT / "deploy" / "prometheus" / "rules.yml"
_DASHBOARDS: Final = "dashboards"


def chart_files() -> Mapping[str, str]:
    """Returns the text of each file by its path in the chart."""
    boards = {f"{_DASHBOARDS}/{dashboard.name}.json": rendered(dashboard) for dashboard in BOARDS}
    return {**boards, "files/rules.yaml": RULES.read_text()}


def main(arguments: Sequence[str], chart: Path = CHART) -> int:
    """Returns 1 where `--check` finds a stale file, else 0. A dashboard that nothing makes is removed."""
    wanted = chart_files()
    made = {path.relative_to(chart).as_posix() for path in (chart / _DASHBOARDS).glob("*.json")}
    stale = sorted(name for name in wanted.keys() | made if wanted.get(name) != _text(chart / name))
    if "--check" in arguments:
        for name in stale:
            sys.stderr.write(f"{chart / name} is stale; run `python -m deploy.grafana`\n")
        return 1 if stale else 0
    for name in stale:
        _put(chart / name, wanted.get(name))
        sys.stdout.write(f"{'wrote' if name in wanted else 'removed'} {chart / name}\n")
    return 0


def _text(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def _put(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
