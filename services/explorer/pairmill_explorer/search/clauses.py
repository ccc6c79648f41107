"""Single conditions on rows, each evaluated over whole columns.

Scores are compared in float32, the type that they are stored in: a row whose score is shown as 0.3 lies
within a range that ends at 0.3. A row without the number lies in no range.
"""

from __future__ import annotations

import sys
import unicodedata
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pairmill_explorer.search.table import NO_TIME, Flags, Numbers, aspects, coded, numbers, times

ASPECT: Final = "aspect"
_SHORT_BYTES: Final = 1000
_FLOAT32_MOST: Final = float(np.finfo(np.float32).max)


class Clause(Protocol):
    """A condition; equal ones are equal and have one hash."""

    def holds(self, table: pa.Table) -> Flags:
        """Returns which rows meet it, `(rows,)`."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes that it holds, about, as the key of what is kept of it."""
        ...

    def __hash__(self) -> int: ...


class _Short:
    """A condition of a few numbers or of a text, which has a bound."""

    __slots__ = ()

    @property
    def nbytes(self) -> int:
        """Bytes that it holds, about."""
        return _SHORT_BYTES


@dataclass(frozen=True, slots=True)
class OneOf:
    """The value of a dictionary column is one of these."""

    column: str
    values: frozenset[str]

    def holds(self, table: pa.Table) -> Flags:
        """Returns which rows meet it: decided once per value."""
        known, codes = coded(table, self.column)
        wanted = pc.is_in(known, value_set=pa.array(sorted(self.values), pa.string())).to_numpy(
            zero_copy_only=False
        )
        met: Flags = wanted[codes]
        return met

    @property
    def nbytes(self) -> int:
        """Bytes that it holds: a caller may give very many values."""
        return _SHORT_BYTES + sys.getsizeof(self.values) + sum(map(sys.getsizeof, self.values))


@dataclass(frozen=True, slots=True)
class Within(_Short):
    """A number lies between two ends, both included; None is open."""

    column: str
    low: float | None
    high: float | None

    def holds(self, table: pa.Table) -> Flags:
        """Returns which rows meet it."""
        values: Numbers = aspects(table) if self.column == ASPECT else numbers(table, self.column)
        met = ~np.isnan(values) if values.dtype.kind == "f" else np.ones(len(values), dtype=np.bool_)
        if self.low is not None:
            met &= values >= end_for(self.low, values.dtype)
        if self.high is not None:
            met &= values <= end_for(self.high, values.dtype)
        return met


@dataclass(frozen=True, slots=True)
class FetchedIn(_Short):
    """The image was fetched in `[start, end)`, microseconds since 1970; None is open."""

    start: int | None
    end: int | None

    def holds(self, table: pa.Table) -> Flags:
        """Returns which rows meet it."""
        values = times(table, "fetched_at")
        met: Flags = values != NO_TIME
        if self.start is not None:
            met &= values >= self.start
        if self.end is not None:
            met &= values < self.end
        return met


@dataclass(frozen=True, slots=True)
class TextContains(_Short):
    """The text contains another, case ignored."""

    text: str

    def holds(self, table: pa.Table) -> Flags:
        """Returns which rows meet it."""
        wanted = unicodedata.normalize("NFC", self.text)  # as stored texts are
        found = pc.match_substring(table.column("text"), wanted, ignore_case=True)
        return np.asarray(found.to_numpy(), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Safe(_Short):
    """The unsafe score is known and not above a threshold (H6)."""

    max_unsafe_score: float

    def holds(self, table: pa.Table) -> Flags:
        """Returns which rows meet it."""
        return ~is_unsafe(numbers(table, "unsafe_score"), self.max_unsafe_score)


def is_unsafe(scores: Numbers, max_unsafe_score: float) -> Flags:
    """Returns which scores are above the threshold or unknown: unknown is never taken for safe."""
    safe: Flags = scores <= end_for(max_unsafe_score, scores.dtype)
    return ~safe


def end_for(value: float, kind: np.dtype[np.generic]) -> np.generic:
    """Returns an end of a range in the type that the numbers are compared in."""
    if kind == np.float32:
        return np.float32(min(max(value, -_FLOAT32_MOST), _FLOAT32_MOST))
    return np.float64(value)
