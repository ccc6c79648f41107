"""What an expression of PromQL asks for, read as text."""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = re.compile(r"\b((?:pairmill|process|nv)[_:][\w:]+|up|ALERTS)\b")
_SELECTED: Final = re.compile(r"\b([a-zA-Z_:][\w:]*)\{([^}]*)\}")
_LABEL: Final = re.compile(r"(\w+)(?:=~|!~|!=|=)\"([^\"]*)\"")
_GROUPED: Final = re.compile(r"\b(?:by|on|group_left|ignoring|without) \(([^)]*)\)")
_SUMMED: Final = re.compile(r"\b(sum|min|max|count|avg)(?: by \(([^)]*)\))? ?\(")
_SERIES: Final = re.compile(r"\b(?:pairmill|process|nv)[_:][\w:]+(?:\{[^}]*\})?|\bup\b(?:\{[^}]*\})?")
_QUOTED: Final = re.compile(r"\"[^\"]*\"")

Selection = tuple[str, str, str]
"""A metric, a label and the value or pattern that it is to have."""


def names_in(expression: str) -> set[str]:
    """Returns the names of all series that are asked for."""
    return set(_NAME.findall(_QUOTED.sub('""', expression)))


def selections_in(expression: str) -> list[Selection]:
    """Returns what series are chosen by."""
    return [
        (metric, label, value)
        for metric, braces in _SELECTED.findall(expression)
        for label, value in _LABEL.findall(braces)
    ]


def groupings_in(expression: str) -> set[str]:
    """Returns the labels that series are grouped or matched by."""
    return {label.strip() for labels in _GROUPED.findall(expression) for label in labels.split(",")} - {""}


def groupings_of_sums(expression: str) -> list[set[str]]:
    """Returns the labels that each aggregation keeps."""
    return [
        {label.strip() for label in (by or "").split(",")} - {""}
        for _, by in _SUMMED.findall(_QUOTED.sub('""', expression))
    ]


def selectors_in(expression: str) -> list[str]:
    """Returns the series that an expression is made of, each as an expression."""
    return [match[0] for match in _SERIES.finditer(expression)]
