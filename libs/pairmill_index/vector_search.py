"""Searching the vectors of one modality of a segment: exactly, or by inverted lists and then exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pairmill_index.arrays import NO_ROW, Flags, Floats, Found, Halves, Rows
from pairmill_index.cost import EXACT_NS, Shape, rows_to_look_at
from pairmill_index.exact import nothing, rescored, scored_rows
from pairmill_index.faiss_adapter import Bitmap, ExactScan, Lists, RefinedLists
from pairmill_index.manifest import VectorIndex

_TUNED_FOR: Final = 80  # results wanted that an index's candidates are enough for
_COUNTED_ROWS: Final = 1 << 17  # rows by which the admitted ones of each list are estimated
_FEW: Final = 16  # rows are kept as numbers where at most one in so many takes part


class Admitted:
    """Which rows of a segment take part in a search. Thread-safe; may be kept for equal filters.

    What searches work out from it is kept with it: where filters are asked again, that is most of what a
    filtered search costs besides the comparing.
    """

    def __init__(self, mask: Flags | None, rows: int) -> None:
        """`mask` is `(rows,)`, or None where all take part."""
        count = rows if mask is None else int(np.count_nonzero(mask))
        self.mask = None if mask is None or count == rows else mask
        self.count = count
        self.rows = rows
        self.bitmap = Bitmap(self.mask) if self.mask is not None else None
        self._held: dict[str, npt.NDArray[np.float64]] = {}

    def places(self) -> npt.NDArray[np.signedinteger[Any]]:
        """Returns the rows that take part, in order; `mask` is not None."""
        assert self.mask is not None
        return self._few if self.count * _FEW <= self.rows else np.flatnonzero(self.mask)

    @cached_property
    def _few(self) -> npt.NDArray[np.int32]:
        assert self.mask is not None
        return np.flatnonzero(self.mask).astype(np.int32)  # half the bytes

    def held(self, kind: str, count: Callable[[Flags], npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
        """Returns about how many of these rows each list of a kind holds, counted once."""
        assert self.mask is not None
        found = self._held.get(kind)
        if found is None:
            found = self._held[kind] = count(self.mask)
        return found


def kept_bytes(rows: int) -> int:
    """Returns how many bytes an Admitted keeps at most for a mask of so many rows, beside the mask itself."""
    return rows // 8 + rows * 4 // _FEW + 64 * math.isqrt(rows)


class VectorSearch:
    """Finds the nearest vectors of a segment. Thread-safe."""

    def __init__(
        self,
        vectors: Halves,
        index: VectorIndex,
        lists: Lists | None,
        list_of_row: npt.NDArray[np.int32] | None,
        *,
        threads: int = 1,
        exact_ns: float = EXACT_NS,
    ) -> None:
        """`lists` and the list of each row are None where search is exact.

        With lists, what a filter leaves is searched exactly where that costs at most `exact_ns`.
        """
        self._vectors = vectors
        self._index = index
        self._lists = lists
        self._list_of_row = list_of_row
        self._scan = ExactScan(vectors)
        self._refined = RefinedLists(lists, self._scan) if lists is not None else None
        self._threads = threads
        self._exact_ns = exact_ns

    def search(self, queries: Floats, k: int, admitted: Admitted, probes: int | None = None) -> Found:
        """Returns the k nearest admitted rows of each query with their cosines, best first.

        `probes`, where given, is the number of lists that a search without a filter looks into.
        """
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        shape = Shape(admitted.rows, admitted.count, self._vectors.shape[1])
        if not shape.admitted or not len(queries):
            return nothing(len(queries), k)
        is_exact = self._lists is None or (admitted.mask is not None and shape.exact_ns <= self._exact_ns)
        if self._lists is not None and not is_exact:
            return self._by_lists(self._lists, queries, k, admitted, shape, probes or self._index.probes)
        if admitted.mask is not None and shape.gather_ns < shape.scan_ns:
            return scored_rows(self._vectors, queries, admitted.places(), k, threads=self._threads)
        return self._scan.search(queries, k, admitted.bitmap, threads=self._threads)

    def exact(self, queries: Floats, k: int, admitted: Admitted, *, threads: int = 1) -> Found:
        """Returns what exact search finds."""
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        return self._scan.search(queries, k, admitted.bitmap, threads=threads)

    def _by_lists(
        self, lists: Lists, queries: Floats, k: int, admitted: Admitted, shape: Shape, probes: int
    ) -> Found:
        candidates = min(candidates_for(k, self._index.candidates), shape.admitted)
        probes = max(probes, -(-4 * k * lists.count // shape.rows))
        if admitted.mask is None:
            assert self._refined is not None
            return self._refined.search(
                queries, k, candidates=max(candidates, k), probes=probes, threads=self._threads
            )
        wanted = rows_to_look_at(shape, lists.count, probes, k)
        scores, chosen = self._chosen_lists(lists, queries, admitted, probes, wanted)
        found = lists.search_in(queries, candidates, scores, chosen, admitted.bitmap, threads=self._threads)
        return rescored(self._vectors, queries, found, k)

    def _chosen_lists(
        self, lists: Lists, queries: Floats, admitted: Admitted, probes: int, wanted: int
    ) -> tuple[Floats, Rows]:
        """Returns, for each query, its nearest lists that together hold as many admitted rows as wanted.

        At least `probes` of them. A list in which no row is admitted costs next to nothing, so it is not
        left out, and an estimate of how many there are will do.
        """
        held = admitted.held(self._index.modality, lambda mask: self._held(mask, lists.count))
        count = probes
        while True:
            count = min(count * 2, lists.count)
            scores, chosen = lists.nearest_lists(queries, count, threads=self._threads)
            reached = np.cumsum(np.where(chosen >= 0, held[chosen], 0), axis=1)
            if count == lists.count or bool((reached[:, -1] >= wanted).all()):
                break
        before = np.roll(reached, 1, axis=1)
        before[:, 0] = 0
        superfluous = (before >= wanted) & (np.arange(count) >= probes)
        chosen[superfluous] = NO_ROW
        return scores, chosen

    def _held(self, mask: Flags, count: int) -> npt.NDArray[np.float64]:
        """Returns about how many admitted rows each list holds."""
        assert self._list_of_row is not None
        step = max(1, len(mask) // _COUNTED_ROWS)
        some = self._list_of_row[::step][mask[::step]]
        return np.bincount(some, minlength=count).astype(np.float64) * step


def candidates_for(k: int, enough: int) -> int:
    """Returns how many candidates are compared again for k results, where `enough` are for _TUNED_FOR.

    How far compression moves a row in the order grows with its place in it, but more slowly: fewer results
    want more candidates each.
    """
    share = k / _TUNED_FOR
    return math.ceil(enough * max(share, math.sqrt(share)))
