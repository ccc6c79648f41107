"""Where the intervals of a histogram end: fixed for a dataset, at numbers that people read easily."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import numpy as np

from pairmill_explorer.search.counting import Edges, values_of
from pairmill_index.opened import OpenSegment

_PROBABILITIES: Final = frozenset({"unsafe_score", "watermark_score", "toxicity"})
_RATIOS: Final = frozenset({"width", "height", "aspect"})  # twice as large looks as different everywhere
_WANTED: Final = 40
_STEPS: Final = (1.0, 2.0, 5.0, 10.0)
_PER_DOUBLING: Final = 4


def edges_of(field: str, segments: Iterable[OpenSegment]) -> Edges:
    """Returns the intervals of a number over the rows of all segments."""
    if field in _PROBABILITIES:
        return Edges(field=field, values=tuple(step / _WANTED for step in range(_WANTED + 1)))
    ends = [found for segment in segments if (found := _ends(field, segment)) is not None]
    if not ends:
        return Edges(field=field, values=())
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    return Edges(field=field, values=_doubling(low, high) if field in _RATIOS else _even(low, high))


def _ends(field: str, segment: OpenSegment) -> tuple[float, float] | None:
    values = values_of(segment.table, field)
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if len(known) else None


def _even(low: float, high: float) -> tuple[float, ...]:
    """Returns ends at multiples of 1, 2 or 5 times a power of ten, about 40 intervals."""
    rough = (high - low) / _WANTED
    if rough <= 0:
        return (low, math.nextafter(low, math.inf)) if low else (0.0, 1.0)
    scale = 10.0 ** math.floor(math.log10(rough))
    step = next(step * scale for step in _STEPS if step * scale >= rough * (1 - 1e-9))
    first, last = math.floor(low / step), math.ceil(high / step)
    digits = max(0, 1 - math.floor(math.log10(step)))
    ends = [round(place * step, digits) for place in range(first, last + 1)]
    return _covering(ends, low, high)


def _doubling(low: float, high: float) -> tuple[float, ...]:
    """Returns ends that grow by a quarter of a doubling, or by more where the range is wide."""
    least = max(low, 1e-6)
    first = math.floor(math.log2(least) * _PER_DOUBLING)
    last = max(first + 1, math.ceil(math.log2(max(high, least)) * _PER_DOUBLING))
    stride = -(-(last - first) // _WANTED)
    ends = [2.0 ** (place / _PER_DOUBLING) for place in range(first, last + stride, stride)]
    return _covering([_short(end) for end in ends], low, high)


def _short(value: float) -> float:
    return float(f"{value:.3g}") if value < 1000 else float(round(value))


def _covering(ends: list[float], low: float, high: float) -> tuple[float, ...]:
    """Returns ends, each once, of which the first and the last include all there is."""
    inner = [end for end in sorted(set(ends)) if low < end < high]
    return (min(low, ends[0]), *inner, max(high, ends[-1]))
