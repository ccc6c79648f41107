"""Rows of an index as lists show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from pairmill_explorer.search.clauses import is_unsafe
from pairmill_explorer.search.conditions import SafetyRules
from pairmill_explorer.search.found import Found, gathered
from pairmill_explorer.search.reading import columns_in
from pairmill_index.opened import OpenIndex
from pairmill_protos.explorer.v1.search_pb2 import Hit, Sample

_TEXTS: Final = ("url", "text", "language", "verdict", "reason", "host", "crawl", "licence")
_NUMBERS: Final = (
    "similarity",
    "unsafe_score",
    "watermark_score",
    "aesthetic_score",
    "toxicity",
    "width",
    "height",
)
_COLUMNS: Final = (*_TEXTS, *_NUMBERS, "phash", "fetched_at", "shard")
_NO_IDS: Final = np.empty((0, 2), dtype=np.uint64)
_MICROSECONDS: Final = 1_000_000


def columns_of(index: OpenIndex, found: Found, names: Sequence[str]) -> Mapping[str, list[Any]]:
    """Returns columns of found rows as Python values, row-aligned; times are microseconds since 1970."""
    values: dict[str, list[Any]] = {name: [None] * len(found) for name in names}
    for place in np.unique(found.segments).tolist():
        here = np.flatnonzero(found.segments == place)
        columns = columns_in(index.segments[place]).at(found.rows[here], names)
        if len(here) == len(found):
            return dict(zip(names, columns, strict=True))
        places = here.tolist()
        for name, column in zip(names, columns, strict=True):
            target = values[name]
            for row, value in zip(places, column, strict=True):
                target[row] = value
    return values


def ids_of(index: OpenIndex, found: Found) -> list[str]:
    """Returns the id of each row, 32 hex digits."""
    words = gathered(found, lambda place, rows: index.segments[place].ids[rows], _NO_IDS)
    return [f"{high:016x}{low:016x}" for high, low in words.tolist()]


def buckets_of(index: OpenIndex, found: Found) -> list[str]:
    """Returns the language bucket of each row."""
    return [index.segments[place].segment.bucket for place in found.segments.tolist()]


def samples_of(index: OpenIndex, found: Found, rules: SafetyRules) -> list[Sample]:
    """Returns found rows as messages, in their order."""
    columns = columns_of(index, found, _COLUMNS)
    ids = ids_of(index, found)
    unsafe = _unsafe(columns["unsafe_score"], rules)
    samples = []
    for row, bucket in enumerate(buckets_of(index, found)):
        sample = Sample(
            sample_id=ids[row],
            bucket=bucket,
            has_image=bool(columns["shard"][row]),
            unsafe=unsafe[row],
            **{name: columns[name][row] for name in _TEXTS},
            **{name: columns[name][row] for name in _NUMBERS},
        )
        _add_optional(sample, columns["phash"][row], columns["fetched_at"][row])
        samples.append(sample)
    return samples


def hits_of(index: OpenIndex, found: Found, rules: SafetyRules) -> list[Hit]:
    """Returns found rows with their cosines, where something was searched for."""
    return [
        Hit(sample=sample, score=None if score != score else score)  # NaN alone differs from itself
        for sample, score in zip(samples_of(index, found, rules), found.scores.tolist(), strict=True)
    ]


def _add_optional(sample: Sample, phash: int | None, fetched_at: int | None) -> None:
    if phash is not None:
        sample.phash = f"{phash:016x}"
    if fetched_at is not None:
        seconds, rest = divmod(fetched_at, _MICROSECONDS)
        sample.fetched_at.seconds, sample.fetched_at.nanos = seconds, rest * 1000


def _unsafe(scores: Sequence[float | None], rules: SafetyRules) -> list[bool]:
    known = np.array([np.nan if score is None else score for score in scores], dtype=np.float32)
    unsafe: list[bool] = is_unsafe(known, rules.max_unsafe_score).tolist()
    return unsafe
