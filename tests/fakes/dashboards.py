"""What stands in the dashboards' files, as whoever imports them gets it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.conftest import REPOSITORY

FOLDER: Final = REPOSITORY / "helm" / "pairmill" / "dashboards"

GPU_ONLY: Final = frozenset(
    {("inference", "GPU utilisation"), ("inference", "GPU memory"), ("inference", "GPU power")}
)
"""Panels by dashboard and title that have data only where Triton sees a GPU."""

_BUILT_IN: Final = {"__rate_interval": "1m", "__range": "15m"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One expression of a panel."""

    dashboard: str  # name of its file
    panel: str  # title
    expression: str  # with variables

    def asked(self, variables: Mapping[str, str]) -> str:
        """Returns the expression as Grafana sends it."""
        text = self.expression
        for name in sorted(variables, key=len, reverse=True):
            text = text.replace(f"${name}", variables[name])
        assert "$" not in text, text
        return text


def all_dashboards() -> dict[str, dict[str, Any]]:
    """Returns the dashboards by the name of their file."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def all_shown() -> list[Shown]:
    """Returns every expression of every panel."""
    return [
        Shown(dashboard=name, panel=panel["title"], expression=target["expr"])
        for name, dashboard in all_dashboards().items()
        for panel in panels_of(dashboard)
        for target in panel["targets"]
    ]


def panels_of(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the panels without the headings between them."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def variables_of(dashboard: Mapping[str, Any]) -> dict[str, str]:
    """Returns the values that a dashboard's variables have at first, and those that Grafana gives."""
    return {**_BUILT_IN, **dict(_chosen(dashboard))}


def _chosen(dashboard: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for variable in dashboard["templating"]["list"]:
        match variable["type"]:
            case "query":
                yield variable["name"], variable["allValue"]
            case "textbox":
                yield variable["name"], variable["current"]["value"]
