"""Rows of an index as lists show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from pairmill.idarrays import Words
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
    held = set(found.segments.tolist())
    if len(held) == 1:
        columns = columns_in(index.segments[held.pop()]).at(found.rows, names)
        return dict(zip(names, columns, strict=True))
    values: dict[str, list[Any]] = {name: [None] * len(found) for name in names}
    for place in held:
        here = np.flatnonzero(found.segments == place)
        columns = columns_in(index.segments[place]).at(found.rows[here], names)
        places = here.tolist()
        for name, column in zip(names, columns, strict=True):
            target = values[name]
            for row, value in zip(places, column, strict=True):
                target[row] = value
    return values


def id_words_of(index: OpenIndex, found: Found) -> Words:
    """Returns the id of each row, `(n, 2) uint64`."""
    words: Words = gathered(found, lambda place, rows: index.segments[place].ids[rows], _NO_IDS)
    return words


def ids_of(index: OpenIndex, found: Found) -> list[str]:
    """Returns the id of each row, 32 hex digits."""
    return [f"{high:016x}{low:016x}" for high, low in id_words_of(index, found).tolist()]


def buckets_of(index: OpenIndex, found: Found) -> list[str]:
    """Returns the language bucket of each row."""
    return [index.segments[place].segment.bucket for place in found.segments.tolist()]


def samples_of(index: OpenIndex, found: Found, rules: SafetyRules) -> list[Sample]:
    """Returns found rows as messages, in their order."""
    samples = [Sample() for _ in range(len(found))]
    _fill(samples, index, found, rules)
    return samples


def hits_of(index: OpenIndex, found: Found, rules: SafetyRules) -> list[Hit]:
    """Returns found rows with their cosines, where something was searched for."""
    scores = found.scores.tolist()
    hits = [Hit() if score != score else Hit(score=score) for score in scores]  # NaN differs from itself
    _fill([hit.sample for hit in hits], index, found, rules)
    return hits


def _fill(samples: Sequence[Sample], index: OpenIndex, found: Found, rules: SafetyRules) -> None:
    """Says in each message what is known of a row; setting fields one by one copies no message."""
    columns = columns_of(index, found, _COLUMNS)
    told = {
        **{name: columns[name] for name in (*_TEXTS, *_NUMBERS)},
        "sample_id": ids_of(index, found),
        "bucket": buckets_of(index, found),
        "has_image": [bool(shard) for shard in columns["shard"]],
        "unsafe": unsafe_of(columns["unsafe_score"], rules),
        "phash": [None if phash is None else f"{phash:016x}" for phash in columns["phash"]],
    }
    for name, values in told.items():
        for sample, value in zip(samples, values, strict=True):
            if value is not None:
                setattr(sample, name, value)
    for sample, fetched_at in zip(samples, columns["fetched_at"], strict=True):
        if fetched_at is not None:
            seconds, rest = divmod(fetched_at, _MICROSECONDS)
            sample.fetched_at.seconds, sample.fetched_at.nanos = seconds, rest * 1000


def unsafe_of(scores: Sequence[float | None], rules: SafetyRules) -> list[bool]:
    """Returns which scores count as unsafe."""
    known = np.array([np.nan if score is None else score for score in scores], dtype=np.float32)
    unsafe: list[bool] = is_unsafe(known, rules.max_unsafe_score).tolist()
    return unsafe
