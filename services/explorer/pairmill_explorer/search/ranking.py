"""A query's results as a list that grows as pages are turned.

The list grows in stages. A stage searches deeper and appends what the stages before had not found, so that
what was shown stays where it was: with inverted lists a deeper search may find a nearer row that a shallower
one had missed. Stages depend on the query alone, so any explorer gives the same pages, cached or not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from pairmill_explorer.search.collapse import Alike, Collapser, Looks
from pairmill_explorer.search.found import NOTHING, Found, joined

MAX_DEPTH: Final = 10_000
STAGES: Final = (100, 1000, MAX_DEPTH)

Search: TypeAlias = Callable[[int], Found]
"""Returns the k nearest."""

Look: TypeAlias = Callable[[Found], Looks]
"""Reads what rows are compared by."""


class Ranking:
    """The results of one query in one index version. Thread-safe."""

    def __init__(self, rule: Alike) -> None:
        """`rule` says which near-duplicates are left out."""
        self.rule = rule
        self._lock = threading.Lock()
        self._collapser = Collapser(rule) if rule.compares else None
        self._seen = NOTHING  # before near-duplicates were left out
        self._found = NOTHING
        self._stage = 0
        self._ended = False

    @property
    def nbytes(self) -> int:
        """Bytes that it holds, about."""
        collapser = 0 if self._collapser is None else self._collapser.nbytes
        return self._seen.nbytes + self._found.nbytes + collapser

    def upto(self, count: int, search: Search, look: Look) -> Found:
        """Returns the first results, `count` of them where there are so many."""
        with self._lock:
            while len(self._found) < count and not self._ended:
                self._grow(search, look)
            return self._found[:count]

    def _grow(self, search: Search, look: Look) -> None:
        depth = STAGES[self._stage]
        found = search(depth)
        self._stage += 1
        self._ended = len(found) < depth or self._stage == len(STAGES)
        new = found[~_among(found, self._seen)]
        self._seen = joined([self._seen, new])
        stays = new if self._collapser is None else new[self._collapser.feed(look(new))]
        self._found = joined([self._found, stays])


def _among(found: Found, others: Found) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Returns which rows are among others."""
    return np.isin(_numbers(found), _numbers(others))


def _numbers(found: Found) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return (found.segments.astype(np.int64) << 40) | found.rows  # no segment has 2^40 rows
