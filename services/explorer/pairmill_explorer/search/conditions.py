"""From the filters of a request to conditions that can be evaluated, compared and cached."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from pairmill.languages import LANGUAGE_BUCKETS
from pairmill_explorer.errors import BadRequestError, TooLargeError
from pairmill_explorer.search.clauses import Clause, FetchedIn, OneOf, Safe, TextContains, Within
from pairmill_protos.explorer.v1.search_pb2 import Filters, SafeMode

VERDICTS: Final = ("kept", "filtered", "failed")
WORD_COLUMNS: Final = {
    "languages": "language",
    "verdicts": "verdict",
    "reasons": "reason",
    "hosts": "host",
    "crawls": "crawl",
    "licences": "licence",
}
"""Fields of `Filters` that list values, with the column that each is compared with."""

RANGES: Final = (
    "similarity",
    "unsafe_score",
    "watermark_score",
    "aesthetic_score",
    "toxicity",
    "width",
    "height",
    "aspect",
)
"""Fields of `Filters` that are ranges of a number; `aspect` alone is no column."""

MAX_TEXT: Final = 200
MAX_VALUES: Final = 10_000
_MAX_VALUE_CHARACTERS: Final = 300
_MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyRules:
    """What counts as unsafe in a dataset."""

    max_unsafe_score: float = 0.5  # a score above it, or none at all, is unsafe


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What rows have to meet; equal conditions are equal, however they were asked for."""

    buckets: frozenset[str]  # language buckets; empty takes all
    clauses: frozenset[Clause]

    def wants(self, bucket: str) -> bool:
        """Whether rows of a bucket may meet them."""
        return not self.buckets or bucket in self.buckets

    @property
    def nbytes(self) -> int:
        """Bytes that they hold, about, as the key of what is kept of them."""
        return sum(clause.nbytes for clause in self.clauses)


def conditions_of(filters: Filters, rules: SafetyRules, field: str = "filters") -> Conditions:
    """Returns the conditions of a request's filters; raises RequestError naming the field that is wrong."""
    return Conditions(
        buckets=frozenset(_checked_values(filters.buckets, f"{field}.buckets", LANGUAGE_BUCKETS)),
        clauses=frozenset(_clauses(filters, rules, field)),
    )


def conditions_of_all(rules: SafetyRules, *, hides: bool) -> Conditions:
    """Returns the conditions without filters; `hides` leaves out what is unsafe."""
    clauses = frozenset[Clause]({Safe(rules.max_unsafe_score)} if hides else ())
    return Conditions(buckets=frozenset(), clauses=clauses)


def hides_unsafe(mode: SafeMode.ValueType, field: str = "filters.safe_mode") -> bool:
    """Returns whether a mode leaves out what is unsafe; raises BadRequestError for one that is not known."""
    if mode not in SafeMode.values():
        raise BadRequestError(field, f"{mode} is no mode; give one of {', '.join(SafeMode.keys())}")
    return mode in (SafeMode.SAFE_MODE_UNSPECIFIED, SafeMode.SAFE_MODE_HIDE)


def _clauses(filters: Filters, rules: SafetyRules, field: str) -> Iterator[Clause]:
    for name, column in WORD_COLUMNS.items():
        known = VERDICTS if name == "verdicts" else None
        values = _checked_values(getattr(filters, name), f"{field}.{name}", known)
        if values:
            yield OneOf(column, frozenset(values))
    if filters.text_contains:
        yield TextContains(_checked_text(filters.text_contains, f"{field}.text_contains"))
    for name in RANGES:
        if filters.HasField(name):  # type: ignore[arg-type]  # names of fields, checked by a test
            yield from _range(filters, name, f"{field}.{name}")
    if filters.HasField("fetched_at"):
        yield from _fetched_in(filters, f"{field}.fetched_at")
    if hides_unsafe(filters.safe_mode, f"{field}.safe_mode"):
        yield Safe(rules.max_unsafe_score)


def _checked_values(values: Sequence[str], field: str, known: Sequence[str] | None = None) -> Sequence[str]:
    if len(values) > MAX_VALUES:
        raise TooLargeError(field, f"has {len(values):,} values; at most {MAX_VALUES:,} are taken")
    for place, value in enumerate(values):
        if len(value) > _MAX_VALUE_CHARACTERS:
            raise TooLargeError(f"{field}[{place}]", f"is longer than {_MAX_VALUE_CHARACTERS} characters")
        if known is not None and value not in known:
            raise BadRequestError(
                f"{field}[{place}]", f"{value!r} is unknown; give one of {', '.join(known)}"
            )
    return values


def _checked_text(text: str, field: str) -> str:
    if len(text) > MAX_TEXT:
        raise TooLargeError(field, f"has {len(text):,} characters; at most {MAX_TEXT} are taken")
    return text


def _range(filters: Filters, name: str, field: str) -> Iterator[Clause]:
    given = getattr(filters, name)
    low = given.min if given.HasField("min") else None
    high = given.max if given.HasField("max") else None
    for end, value in (("min", low), ("max", high)):
        if value is not None and not math.isfinite(value):
            raise BadRequestError(f"{field}.{end}", f"is {value}; a finite number is wanted")
    if low is not None and high is not None and low > high:
        raise BadRequestError(f"{field}.min", f"is {low:g}, above its max of {high:g}")
    if low is not None or high is not None:
        yield Within(name, low, high)


def _fetched_in(filters: Filters, field: str) -> Iterator[Clause]:
    given = filters.fetched_at
    start = _microseconds(getattr(given, "from"), f"{field}.from") if given.HasField("from") else None
    end = _microseconds(given.before, f"{field}.before") if given.HasField("before") else None
    if start is not None and end is not None and start > end:
        raise BadRequestError(f"{field}.from", "is after `before`")
    if start is not None or end is not None:
        yield FetchedIn(start, end)


def _microseconds(time: Timestamp, field: str) -> int:
    if not (-62_135_596_800 <= time.seconds <= 253_402_300_799 and 0 <= time.nanos < 1_000_000_000):
        raise BadRequestError(field, "lies outside the years 1 to 9999")
    return time.seconds * _MICROSECONDS + -(-time.nanos // 1000)  # no stored time lies between
