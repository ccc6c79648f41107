"""The rule by which the kind of a vector index is chosen (docs/search.md has the table).

A pure function of the number of vectors, their dimensions, and the budgets of memory and latency.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from pairmill_index.cost import SCAN_NS
from pairmill_index.manifest import EXACT

ID_BYTES: Final = 8
EXACT_ROWS: Final = 20_000
EXACT_LATENCY_SHARE: Final = 0.2  # of the latency budget that an exact search may use up
ROWS_PER_LIST: Final = 64  # of the training sample
LEAST_PER_LIST: Final = 40
MOST_LISTS: Final = 1 << 17
GRAPH_LISTS: Final = 1 << 14  # from here on the lists themselves are found by a graph
_GRAPH_BYTES: Final = 300  # of that graph, for each list, about


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A way to compress vectors in lists."""

    name: str  # as in faiss' factory strings
    bytes_per_dimension: float
    extra_bytes: int
    candidates: int  # that are compared again with the stored vectors

    def bytes(self, dimensions: int) -> int:
        """Returns the bytes of a vector with its id."""
        return math.ceil(dimensions * self.bytes_per_dimension) + self.extra_bytes + ID_BYTES


CODES: Final = (
    Code(name="SQ8", bytes_per_dimension=1, extra_bytes=0, candidates=100),
    Code(name="SQ4", bytes_per_dimension=0.5, extra_bytes=0, candidates=200),
    Code(name="RaBitQ", bytes_per_dimension=0.125, extra_bytes=8, candidates=500),
)
"""From the most exact to the smallest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How vectors are to be indexed."""

    kind: str  # EXACT, or a faiss factory string
    lists: int = 0
    candidates: int = 0
    training_rows: int = 0  # size of the sample
    fits: bool = True  # whether the lists keep to the memory budget


def choose(
    *, rows: int, dimensions: int, memory_bytes: int, latency_ms: float, lists: int | None = None
) -> Choice:
    """Returns how to index `rows` vectors within `memory_bytes` for their lists, centroids included.

    `lists` is the number of lists where it is given: by those whose training is shared.
    """
    if rows <= EXACT_ROWS or is_exact_fast(rows, dimensions, latency_ms):
        return Choice(kind=EXACT)
    lists = lists or lists_for(rows)
    room = (memory_bytes - centroid_bytes(lists, dimensions)) / rows
    code = next((code for code in CODES if code.bytes(dimensions) <= room), CODES[-1])
    quantizer = f"IVF{lists}_HNSW32" if lists >= GRAPH_LISTS else f"IVF{lists}"
    return Choice(
        kind=f"{quantizer},{code.name}",
        lists=lists,
        candidates=code.candidates,
        training_rows=min(rows, lists * ROWS_PER_LIST),
        fits=code.bytes(dimensions) <= room,
    )


def centroid_bytes(lists: int, dimensions: int) -> int:
    """Returns the bytes of what is known of so many lists themselves, which no file maps."""
    return lists * (4 * dimensions + (_GRAPH_BYTES if lists >= GRAPH_LISTS else 0))


def is_smaller(kind: str, than: str) -> bool:
    """Returns whether vectors of one kind take fewer bytes than of another; both are no EXACT."""
    names = [code.name for code in CODES]
    return names.index(_code_of(kind)) > names.index(_code_of(than))


def _code_of(kind: str) -> str:
    return kind.rpartition(",")[2]


def is_exact_fast(rows: int, dimensions: int, latency_ms: float) -> bool:
    """Returns whether exact search takes a small share of the latency budget."""
    return rows * dimensions * SCAN_NS <= latency_ms * 1e6 * EXACT_LATENCY_SHARE


def lists_for(rows: int) -> int:
    """Returns the number of inverted lists: about twice the square root of the rows, a power of two.

    So that a query spends as long on finding its lists as in them. With twice as many both training and
    filling take twice as long, for a query that is hardly faster.
    """
    wanted = 2 * math.sqrt(rows)
    most = max(1, rows // LEAST_PER_LIST)
    return int(min(2 ** round(math.log2(wanted)), 2 ** int(math.log2(most)), MOST_LISTS))
