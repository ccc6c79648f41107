"""What ways to search cost, about, so that the cheapest that finds enough is taken.

Measured on one core with the rows in memory; another machine is faster or slower by a factor, which changes
little, because ways are compared with each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TEST_NS: Final = 2.0  # whether a row takes part
FIND_NS: Final = 0.2  # the same, of all rows beforehand
SCAN_NS: Final = 0.08  # of a dimension of a stored vector, where all are read in order
SKIP_NS: Final = 0.45  # of one that takes part, where others are passed over: memory cannot run ahead
SKIP_MOST_NS: Final = 0.14  # of one of all, where so many take part that nearly everything is read
GATHER_NS: Final = 0.5  # of a dimension of a stored vector, picked out
EXACT_NS: Final = 5e6  # what it is worth to miss nothing, where there are inverted lists
FILTERED: Final = 3.0


@dataclass(frozen=True, slots=True)
class Shape:
    """How many rows a search is over."""

    rows: int
    admitted: int  # rows that take part
    dimensions: int

    @property
    def share(self) -> float:
        """Which part of the rows takes part."""
        return self.admitted / self.rows if self.rows else 0.0

    @property
    def scan_ns(self) -> float:
        """Of reading all that take part, in order."""
        if self.admitted == self.rows:
            return SCAN_NS * self.dimensions * self.rows
        read = min(SKIP_NS * self.admitted, SKIP_MOST_NS * self.rows)
        return TEST_NS * self.rows + read * self.dimensions

    @property
    def gather_ns(self) -> float:
        """Of picking out all that take part."""
        return FIND_NS * self.rows + GATHER_NS * self.dimensions * self.admitted

    @property
    def exact_ns(self) -> float:
        """Of the cheaper way to compare all that take part."""
        return min(self.scan_ns, self.gather_ns)


def rows_to_look_at(shape: Shape, lists: int, probes: int, k: int) -> int:
    """Returns how many rows that take part are to be compared, so that a filtered search finds enough.

    Without a filter a query's `probes` lists hold `probes / lists` of all rows. Of a share s of the rows, the
    nearest k are the nearest k / s of all, which lie farther apart: where a filter has nothing to do with
    what is searched for, lists that grow with the square root of 1 / s keep the recall, so that rows fall
    with the square root of s. Where it has, the nearest lie in lists that are farther away: FILTERED times as
    many rows find them.
    """
    unfiltered = probes * shape.rows / lists
    return min(shape.admitted, max(int(FILTERED * unfiltered * shape.share**0.5), 4 * k))
