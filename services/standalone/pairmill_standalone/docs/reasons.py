"""`docs/reasons.md`: why a link is not in the dataset."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from pairmill.dataset.explanations import ReasonDescription, reason_descriptions
from pairmill.dataset.retriable import RETRIABLE_REASONS

_ORDER: Final = ("crawl", "plan", "crawl and download", "download", "embed", "score", "finalise", "any stage")

_INTRODUCTION: Final = """\
# Reasons: why a link is not in the dataset

Every record and link of a WAT, and every candidate, that did not come through has one of these reasons; \
the set is closed. Candidates have one row each, with reason and version of the rule that decided; links \
that never became candidates are counted by reason, per WAT and per wave. `pairmill run` ends with the \
counts, `report.html` shows them with examples.

Reasons marked ↻ may heal by themselves: `pairmill retry-failed` tries such rows again, as a new version \
of the dataset.
"""


def reasons_page() -> str:
    """Returns the page."""
    by_stage: defaultdict[str, list[tuple[str, ReasonDescription]]] = defaultdict(list)
    for name, described in reason_descriptions().items():
        by_stage[described.stage].append((name, described))
    parts = [_INTRODUCTION]
    for stage in sorted(by_stage, key=_ORDER.index):
        parts.append(f"\n## {stage.capitalize()}\n| reason | what it means |\n|---|---|\n")
        parts += [_row(name, described) for name, described in by_stage[stage]]
    return "".join(parts)


def _row(name: str, described: ReasonDescription) -> str:
    mark = " ↻" if name in RETRIABLE_REASONS else ""
    text = described.text.removesuffix(" Retriable.")
    return f"| `{name}`{mark} | {text} |\n"
