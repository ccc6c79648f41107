"""What a threshold would keep: counts on both sides of the cut, and the samples nearest to it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from pairmill_explorer.datasets.served import Snapshot
from pairmill_explorer.errors import BadRequestError
from pairmill_explorer.search.clauses import end_for
from pairmill_explorer.search.conditions import conditions_of
from pairmill_explorer.search.found import NOTHING, Found, in_segment, joined
from pairmill_explorer.search.samples import samples_of
from pairmill_explorer.search.searcher import Searcher
from pairmill_explorer.search.table import Flags, numbers, words
from pairmill_index.opened import OpenSegment
from pairmill_protos.explorer.v1.search_service_pb2 import (
    PreviewThresholdRequest,
    PreviewThresholdResponse,
    ThresholdCount,
)

SCORES: Final = ("similarity", "unsafe_score", "watermark_score", "aesthetic_score", "toxicity")
_DEFAULT_EXAMPLES: Final = 12
_MOST_EXAMPLES: Final = 50

Floats: TypeAlias = npt.NDArray[np.float32]


@dataclass(slots=True)
class _Sides:
    """Rows nearest to the cut; their scores are smaller the nearer they are."""

    above: Found = field(default=NOTHING)
    below: Found = field(default=NOTHING)


def preview_threshold(
    searcher: Searcher, snapshot: Snapshot, request: PreviewThresholdRequest
) -> PreviewThresholdResponse:
    """Returns what a cut would do; raises RequestError naming what is wrong with the request."""
    value, examples = _checked(request)
    masks = searcher.masks(snapshot, conditions_of(request.filters, snapshot.rules))
    counts: list[ThresholdCount] = []
    sides = _Sides()
    for place, (segment, mask) in enumerate(zip(snapshot.index.segments, masks, strict=True)):
        scores = numbers(segment.table, request.field)
        above = scores >= end_for(value, scores.dtype)
        counts += _counts(segment, scores, above, mask)
        sides.above = _nearer(sides.above, _smallest(place, scores, mask & above, examples), examples)
        below = mask & ~above & ~np.isnan(scores)
        sides.below = _nearer(sides.below, _smallest(place, -scores, below, examples), examples)
    return PreviewThresholdResponse(
        counts=_merged(counts),
        above=samples_of(snapshot.index, sides.above, snapshot.rules),
        below=samples_of(snapshot.index, sides.below, snapshot.rules),
    )


def _checked(request: PreviewThresholdRequest) -> tuple[float, int]:
    if request.field not in SCORES:
        raise BadRequestError("field", f"{request.field[:80]!r} is no score; give one of {', '.join(SCORES)}")
    if not math.isfinite(request.value):
        raise BadRequestError("value", f"is {request.value}; a finite number is wanted")
    examples = request.examples if request.HasField("examples") else _DEFAULT_EXAMPLES
    if not 0 <= examples <= _MOST_EXAMPLES:
        raise BadRequestError("examples", f"is {examples:,}; 0 to {_MOST_EXAMPLES} is wanted")
    return request.value, examples


def _counts(segment: OpenSegment, scores: Floats, above: Flags, mask: Flags) -> Iterator[ThresholdCount]:
    """Yields the counts of each language of a segment."""
    known, codes = words(segment.table, "language")
    unknown = np.isnan(scores)
    by_side = [
        np.bincount(codes[mask & side], minlength=len(known)).tolist()
        for side in (above, ~above & ~unknown, unknown)
    ]
    for language, *sides in zip(known, *by_side, strict=True):
        if any(sides):
            yield ThresholdCount(
                bucket=segment.segment.bucket,
                language=language,
                above=sides[0],
                below=sides[1],
                unknown=sides[2],
            )


def _merged(counts: Sequence[ThresholdCount]) -> list[ThresholdCount]:
    """Returns one count per language, most rows first."""
    merged: dict[tuple[str, str], ThresholdCount] = {}
    for count in counts:
        found = merged.setdefault(
            (count.bucket, count.language), ThresholdCount(bucket=count.bucket, language=count.language)
        )
        found.above += count.above
        found.below += count.below
        found.unknown += count.unknown
    rows = {key: count.above + count.below + count.unknown for key, count in merged.items()}
    return [merged[key] for key in sorted(merged, key=lambda key: (-rows[key], key))]


def _smallest(place: int, keys: Floats, side: Flags, count: int) -> Found:
    """Returns the rows of one side of a segment whose keys are smallest."""
    rows = np.flatnonzero(side)
    if len(rows) > count:
        rows = rows[np.argpartition(keys[rows], count)[:count]]
    return in_segment(place, rows, keys[rows])


def _nearer(left: Found, right: Found, count: int) -> Found:
    """Returns the nearest of both, the nearest first."""
    both = joined([left, right])
    return both[np.lexsort((both.rows, both.segments, both.scores))[:count]]
