"""What benchmarks hand back: figures of several runs, one column per size, and how they are printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Figure:
    """A thing that is measured, with its unit."""

    name: str
    unit: str


Sample: TypeAlias = Mapping[Figure, float]
"""What one run gave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """The runs of one size; a figure that a run does not have is left out of it."""

    label: str
    samples: Sequence[Sample]

    def values(self, figure: Figure) -> list[float]:
        """Returns what the runs gave for a figure, ascending."""
        return sorted(sample[figure] for sample in self.samples if figure in sample)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a benchmark found."""

    name: str
    setup: str  # what was worked on, in one sentence
    columns: Sequence[Column]

    @property
    def figures(self) -> list[Figure]:
        """All figures, in the order in which the runs name them."""
        named = (figure for column in self.columns for sample in column.samples for figure in sample)
        return list(dict.fromkeys(named))

    def rows(self) -> list[list[str]]:
        """Returns the table as texts, the head first."""
        head = ["", "unit", *(f"{column.label} ({_runs(column)})" for column in self.columns)]
        body = [
            [figure.name, figure.unit, *(_cell(column.values(figure)) for column in self.columns)]
            for figure in self.figures
        ]
        return [head, *body]

    def as_json(self) -> dict[str, Any]:
        """Returns every value of every run."""
        return {
            "name": self.name,
            "setup": self.setup,
            "columns": [
                {
                    "label": column.label,
                    "runs": [
                        [
                            {"name": figure.name, "unit": figure.unit, "value": value}
                            for figure, value in sample.items()
                        ]
                        for sample in column.samples
                    ],
                }
                for column in self.columns
            ],
        }


def plain_table(result: Result) -> str:
    """Returns the table for a terminal."""
    rows = result.rows()
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [
        "  ".join(
            text.ljust(width) if place < 2 else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join([f"{result.name}: {result.setup}", *lines])


def markdown_table(result: Result) -> str:
    """Returns the table for a page."""
    head, *body = result.rows()
    rule = ["---", "---", *("--:" for _ in result.columns)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))


def number(value: float) -> str:
    """Returns a number with three digits that count; large and whole ones as they are."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "–"
    middle, low, high = (number(value) for value in (median(values), values[0], values[-1]))
    return middle if low == high else f"{middle} ({low}–{high})"


def _runs(column: Column) -> str:
    count = len(column.samples)
    return "1 run" if count == 1 else f"{count} runs"
