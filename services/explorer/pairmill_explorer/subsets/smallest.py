"""The smallest draws of each group, exactly, in memory that does not grow with the rows.

Where a group is full is found by its draws' first bits, some more with each pass over the rows: the rows
below that edge are taken, those above it are not, and only the few that stand at it are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from pairmill.idarrays import Positions, ascending, ranks_in_groups, starts_of_groups
from pairmill_explorer.subsets.draws import WORD_BITS, Draws, draws_of
from pairmill_explorer.subsets.gathered import gathered
from pairmill_explorer.subsets.segments import Codes, Flags, Groups, SegmentRows, counts_of, ids_at, runs

MOST_COMPARED: Final = 1 << 20
"""Rows that may stand at the edges before they are compared; more are told apart by another pass.

Two rows a group are always compared: one stands at each edge, however many bits are known.
"""

_CELL_BITS: Final = 22  # 32 MiB of counts at a time
_MOST_BITS: Final = 16

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edges:
    """Where each group is full, as far as it is known."""

    full: Flags  # whether a group has more rows than are taken
    bits: int  # of the draws that are known
    edge: Draws  # (groups,), those bits of the draw at which it is full
    left: Counts  # (groups,), how many rows at the edge are taken
    compared: int  # rows at the edges


def smallest_draws(
    segments: Sequence[SegmentRows],
    flags: Sequence[Flags],
    groups: Groups,
    limit: int,
    seed: int,
    most_compared: int = MOST_COMPARED,
) -> tuple[Flags, ...]:
    """Keeps the `limit` rows of each group with the smallest draws; ties by id."""
    counts = counts_of(flags, groups)
    full = counts > limit
    if not full.any():
        return tuple(flags)
    edges = _Edges(
        full=full,
        bits=0,
        edge=np.zeros(len(counts), dtype=np.uint64),
        left=np.full(len(counts), limit, dtype=np.int64),
        compared=int(counts[full].sum()),
    )
    most = max(most_compared, 2 * int(full.sum()))
    while not edges.bits or (edges.compared > most and edges.bits < WORD_BITS):
        edges = _narrowed(segments, flags, groups, edges, seed)
    below, level = _split(segments, flags, groups, edges, seed)
    rows = gathered(segments, level, lambda number, rows, ids: groups.codes[number][rows])
    order = ascending(rows.keys, draws_of(rows.ids, seed), rows.ids)
    codes = rows.keys[order]
    ranks = ranks_in_groups(starts_of_groups(codes[:, np.newaxis].astype(np.uint64)))
    return rows.take(order[ranks < edges.left[codes]]).added_to(below)


def _narrowed(
    segments: Sequence[SegmentRows], flags: Sequence[Flags], groups: Groups, edges: _Edges, seed: int
) -> _Edges:
    """Returns the edges with some more bits, by one pass that counts rows by them."""
    size = len(edges.edge)
    bits = min(max(_CELL_BITS - size.bit_length(), 1), _MOST_BITS, WORD_BITS - edges.bits)
    counts = np.zeros((size, 1 << bits), dtype=np.int64)
    known = edges.bits + bits
    for number, rows in _all(flags):
        codes, heads = _heads(segments[number], groups.codes[number], rows, known, seed)
        here = edges.full[codes] & (heads >> np.uint64(bits) == edges.edge[codes])
        cells = (codes[here].astype(np.int64) << bits) | (heads[here] & np.uint64((1 << bits) - 1)).astype(
            np.int64
        )
        counts += np.bincount(cells, minlength=counts.size).reshape(counts.shape)
    upto = counts.cumsum(axis=1)
    step = np.minimum((upto < edges.left[:, np.newaxis]).sum(axis=1), (1 << bits) - 1)
    at = np.take_along_axis(counts, step[:, np.newaxis], axis=1)[:, 0]
    before = np.take_along_axis(upto, step[:, np.newaxis], axis=1)[:, 0] - at
    edge = (edges.edge << np.uint64(bits)) | step.astype(np.uint64)
    return replace(edges, bits=known, edge=edge, left=edges.left - before, compared=int(at[edges.full].sum()))


def _split(
    segments: Sequence[SegmentRows], flags: Sequence[Flags], groups: Groups, edges: _Edges, seed: int
) -> tuple[tuple[Flags, ...], tuple[Flags, ...]]:
    """Returns the rows below their groups' edges, all of a group that is not full, and those at them."""
    below = tuple(np.zeros(len(one), dtype=np.bool_) for one in flags)
    level = tuple(np.zeros(len(one), dtype=np.bool_) for one in flags)
    for number, rows in _all(flags):
        codes, heads = _heads(segments[number], groups.codes[number], rows, edges.bits, seed)
        full, edge = edges.full[codes], edges.edge[codes]
        below[number][rows] = ~full | (heads < edge)
        level[number][rows] = full & (heads == edge)
    return below, level


def _heads(segment: SegmentRows, codes: Codes, rows: Positions, bits: int, seed: int) -> tuple[Codes, Draws]:
    """Returns the groups of rows, and the first bits of their draws."""
    return codes[rows], draws_of(ids_at(segment, rows), seed) >> np.uint64(WORD_BITS - bits)


def _all(flags: Sequence[Flags]) -> Iterator[tuple[int, Positions]]:
    for number, one in enumerate(flags):
        for rows in runs(one):
            yield number, rows
