"""What a dashboard is made of, without a word of Grafana's JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

Kind = Literal["timeseries", "stat", "bargauge", "heatmap"]
Colour = Literal["green", "orange", "red"]
Unit = Literal["none", "short", "s", "bytes", "Bps", "percentunit", "reqps", "rowsps", "cores"]

COLUMNS: Final = 24
"""Width of a dashboard in Grafana's grid."""


@dataclass(frozen=True, slots=True)
class Query:
    """An expression of PromQL, and what its series are called."""

    expression: str
    legend: str = ""  # such as `{{service}}`; empty where there is one series


@dataclass(frozen=True, slots=True)
class Step:
    """From this value on a panel has this colour."""

    value: float
    colour: Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture."""

    title: str
    queries: Sequence[Query]
    shows: str  # what one sees, in a sentence or two
    remedy: str  # what to do when it looks wrong
    runbook: str = ""  # page of docs/runbooks that goes with it, without `.md`
    kind: Kind = "timeseries"
    unit: Unit = "short"
    steps: Sequence[Step] = ()  # where a value can be wrong: green below the first
    starts: Colour = "green"  # the colour below the first step
    width: int = 8
    height: int = 8
    stacked: bool = False
    decimals: int | None = None
    lowest: float | None = 0  # of the axis
    highest: float | None = None


stat: Final = partial(Panel, kind="stat", width=4, height=4)
"""One number, small."""


@dataclass(frozen=True, slots=True)
class Row:
    """A heading with the panels below it, which flow from left to right."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Price:
    """A number that whoever looks fills in."""

    name: str
    label: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One page."""

    name: str  # of its file, and the end of its uid
    title: str
    about: str
    rows: Sequence[Row]
    prices: Sequence[Price] = ()

    def panels(self) -> list[Panel]:
        """Returns all panels in their order."""
        return [panel for row in self.rows for panel in row.panels]
