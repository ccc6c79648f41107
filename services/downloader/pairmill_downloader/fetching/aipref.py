"""Usage preferences: AIPREF's `Content-Usage: train-ai=n` and content signals (`ai-train=no`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pairmill_downloader.fetching.patterns import Pattern

_MEMBER: Final = re.compile(r"([a-z*][a-z0-9_.*-]*)\s*=\s*\"?([a-z]+)\"?\s*(?:;.*)?", re.IGNORECASE)
_TRAINING: Final = ("train-ai", "ai-train")
"""What training a model is called; said outright, it decides."""

_BROADER: Final = frozenset({"train-genai", "genai", "ai", "tdm", "bots", "all"})
"""Categories of earlier drafts of which training is a part."""

_NO: Final = frozenset({"n", "no"})
_YES: Final = frozenset({"y", "yes"})


@dataclass(frozen=True, slots=True)
class Preference:
    """A line of robots.txt: what is preferred for paths."""

    pattern: Pattern
    forbids: bool | None  # None: nothing is said about training


def usage_forbids_training(expressions: Sequence[str]) -> bool | None:
    """Whether usage expressions forbid training; None if they do not speak of it.

    Each is a list of members such as `train-ai=n, search=y`; the last value of a member counts. What
    cannot be read is passed over, as structured fields have it.
    """
    said: dict[str, bool] = {}
    for expression in expressions:
        for member in expression.split(","):
            found = _MEMBER.fullmatch(member.strip())
            if found and found.group(2).lower() in _NO | _YES:
                said[found.group(1).lower()] = found.group(2).lower() in _NO
    outright = [said[name] for name in _TRAINING if name in said]
    if outright:
        return any(outright)
    broader = [forbids for name, forbids in said.items() if name in _BROADER]
    return any(broader) if broader else None


def parse_usage_rule(value: str) -> Preference | None:
    """Returns what a line of robots.txt prefers, `[PATH] EXPRESSION`; None if it cannot be read."""
    path, expression = "/", value.strip()
    if expression.startswith(("/", "*")):
        path, _, expression = expression.partition(" ")
    if not expression:
        return None
    return Preference(Pattern.of(path), usage_forbids_training([expression]))


def forbids_training(preferences: Sequence[Preference], path: str) -> bool:
    """Whether the most specific preferences for a path in normal form that speak of training forbid it."""
    matching = [
        (len(preference.pattern.text), preference.forbids)
        for preference in preferences
        if preference.forbids is not None and preference.pattern.matches(path)
    ]
    if not matching:
        return False
    longest = max(length for length, _ in matching)
    return any(forbids for length, forbids in matching if length == longest)
