"""Books of what a crawl leaves out: counts by reason, and a few examples of each (U7)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

import pyarrow as pa

from pairmill.reasons import reason_name
from pairmill.schemas import DROP_SAMPLES, versioned
from pairmill_protos.common.v1.outcome_pb2 import Reason

SAMPLES_PER_REASON: Final = 5
MAX_CHARACTERS: Final = 500

_MULTIPLIER: Final = 0x9E3779B97F4A7C15
_MASK: Final = 2**64 - 1
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class DropSample(NamedTuple):
    """An example of what was left out."""

    url: str = ""
    text: str = ""
    page_url: str = ""
    detail: str = ""
    wat_offset: int = -1


Ranked: TypeAlias = tuple[int, int, DropSample]
"""An example with its rank (the smallest are kept) and its offset, which breaks ties."""


@dataclass(slots=True)
class Drops:
    """Counts and examples; those of parts of a WAT add up to those of the whole, in any order."""

    counts: Counter[Reason.ValueType] = field(default_factory=Counter)
    samples: dict[Reason.ValueType, list[Ranked]] = field(default_factory=dict)

    def add(self, reason: Reason.ValueType, sample: DropSample, count: int = 1) -> None:
        """Takes `count` rows of one record that were left out for a reason, with an example of them."""
        self.counts[reason] += count
        rank = _rank(sample.wat_offset)
        kept = self.samples.setdefault(reason, [])
        if len(kept) < SAMPLES_PER_REASON or (rank, sample.wat_offset) < kept[-1][:2]:
            self._keep(reason, [(rank, sample.wat_offset, _shown(sample))])

    def merge(self, other: Drops) -> None:
        """Takes all of another part's books."""
        self.counts.update(other.counts)
        for reason, ranked in other.samples.items():
            self._keep(reason, ranked)

    def table(self) -> pa.Table:
        """Returns the examples in the schema `DROP_SAMPLES`, ordered by reason."""
        rows = [
            {"stage": "crawl", "reason": reason_name(reason), **sample._asdict()}
            for reason in sorted(self.samples)
            for _, _, sample in self.samples[reason]
        ]
        return pa.Table.from_pylist(rows, schema=versioned(DROP_SAMPLES))

    def _keep(self, reason: Reason.ValueType, ranked: Iterable[Ranked]) -> None:
        kept = [*self.samples.get(reason, ()), *ranked]
        self.samples[reason] = sorted(kept)[:SAMPLES_PER_REASON]


def _rank(offset: int) -> int:
    """Returns a number that is as good as random, and the same in every run."""
    return (offset * _MULTIPLIER & _MASK) >> 32


def _shown(sample: DropSample) -> DropSample:
    return DropSample(
        url=_short(sample.url),
        text=_short(sample.text),
        page_url=_short(sample.page_url),
        detail=_short(sample.detail),
        wat_offset=sample.wat_offset,
    )


def _short(text: str) -> str:
    return _UNPRINTABLE.sub("\ufffd", text[:MAX_CHARACTERS])
