"""The funnel as steps: what each was given, what came through, and why the rest did not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pairmill.dataset.funnel import DATASET, DEAD_LETTER, FILTERED, IN, KEPT, PASSED, Counts, stage_counts
from pairmill.dataset.manifest import FunnelRow

RECORD_REASONS: Final = frozenset(
    {
        "bad_record",
        "bad_json",
        "bad_schema",
        "bomb",
        "record_too_large",
        "too_deep",
        "truncated",
        "corrupt_gzip",
        "no_html_metadata",
        "source_missing",
    }
)
"""Reasons of a crawl that concern whole records of the archive, not links."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the funnel."""

    name: str  # of what goes in
    given: int
    survived: int
    drops: tuple[tuple[str, int], ...]  # (reason, rows), most first


def steps_of(funnel: tuple[FunnelRow, ...]) -> tuple[Step, ...]:
    """Returns the steps of a funnel that anything went into, from links to kept samples."""
    names = {"plan": "Image links with text", "download": "Candidates", "embed": "Downloaded"}
    steps = [_links(stage_counts(funnel, "crawl"))]
    steps += [_step(name, stage_counts(funnel, stage)) for stage, name in names.items()]
    steps.append(_chosen(stage_counts(funnel, "finalise"), stage_counts(funnel, "score")))
    return tuple(step for step in steps if step.given)


def outcome_of(funnel: Iterable[FunnelRow], stage: str, outcome: str) -> int:
    """Returns the rows of a stage with an outcome, whatever their reason."""
    return sum(row.count for row in funnel if row.stage == stage and row.outcome == outcome)


def records_left_out(funnel: Iterable[FunnelRow]) -> Iterator[tuple[str, int]]:
    """Yields (reason, records) of the archive that held no links, most first."""
    found = [
        (row.reason, row.count)
        for row in funnel
        if row.stage == "crawl" and row.outcome != IN and row.reason in RECORD_REASONS
    ]
    yield from sorted(found, key=lambda item: (-item[1], item[0]))


def kept_of(funnel: Iterable[FunnelRow]) -> int:
    """Returns the number of kept samples."""
    return outcome_of(funnel, DATASET, KEPT)


def _links(counts: Counts) -> Step:
    links: Counts = type(counts)({end: rows for end, rows in counts.items() if end[1] not in RECORD_REASONS})
    return _step("Links", links)


def _step(name: str, counts: Counts) -> Step:
    survived = sum(rows for (outcome, _), rows in counts.items() if outcome == PASSED)
    drops = _by_reason(
        (outcome, reason, rows) for (outcome, reason), rows in counts.items() if outcome != PASSED
    )
    return Step(name=name, given=counts.total(), survived=survived, drops=drops)


def _chosen(final: Counts, scored: Counts) -> Step:
    """The last step: thresholds and choices among what was embedded."""
    dead = scored[DEAD_LETTER, "unit_failed"]
    kept = sum(rows for (outcome, _), rows in final.items() if outcome == KEPT)
    filtered = [(FILTERED, reason, rows) for (outcome, reason), rows in final.items() if outcome == FILTERED]
    drops = _by_reason([*filtered, (DEAD_LETTER, "unit_failed", dead)])
    return Step(name="Embedded", given=kept + sum(rows for _, rows in drops), survived=kept, drops=drops)


def _by_reason(ends: Iterable[tuple[str, str, int]]) -> tuple[tuple[str, int], ...]:
    found: dict[str, int] = {}
    for outcome, reason, rows in ends:
        name = reason or outcome
        found[name] = found.get(name, 0) + rows
    return tuple(
        sorted(((name, rows) for name, rows in found.items() if rows), key=lambda item: (-item[1], item[0]))
    )
