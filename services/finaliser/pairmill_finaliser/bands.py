"""Phase 3: contents whose perceptual hashes are within the distance, per bucket of (band, value).

Only neighbours with smaller ids are looked for, because a cluster is named by the smallest. So each
content is compared with those before it in order of ids, up to the cap: above it with the smallest
ids only (U12).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill.idarrays import Positions, Words, array_of, ascending, ranks_in_groups, starts_of_groups
from pairmill.ledger.phases import BANDS_ROLE, NEIGHBOURS_ROLE
from pairmill.spill import PartitionSpill
from pairmill_finaliser.keys import by_band, by_content_head
from pairmill_finaliser.scatter import ids_of
from pairmill_finaliser.step import Step
from pairmill_finaliser.steps import SCHEMAS

ROWS_AT_ONCE: Final = 250_000

Numbers = npt.NDArray[np.uint64]


def find_neighbours(step: Step) -> int:
    """Writes the smallest neighbour of each content by content prefix; returns the rows read."""
    rules, rows = step.spec.finalise, 0
    # Whole buckets in memory at a time: `fine` partitions cut each of the phase's into equal parts.
    fine = step.partitions * max(1, -(-step.context.task.rows // ROWS_AT_ONCE))
    spill = PartitionSpill(step.context.scratch, SCHEMAS[BANDS_ROLE])
    for table in step.read(BANDS_ROLE):
        spill.add(table, by_band(_column(table, "band"), _column(table, "value"), fine))
        rows += len(table)
    for _, table in spill.parts():
        step.check()
        neighbours, heads = neighbours_of(table, rules.max_hash_distance, rules.band_cap)
        step.sink(NEIGHBOURS_ROLE).add(neighbours, by_content_head(heads, step.partitions))
        step.advance(len(table))
    return rows


def neighbours_of(table: pa.Table, distance: int, cap: int) -> tuple[pa.Table, npt.NDArray[np.uint32]]:
    """Returns (representative, smallest neighbour) of a table of whole buckets, and the content heads."""
    samples, hashes = ids_of(table), _column(table, "phash")
    buckets = np.stack([_column(table, "band"), _column(table, "value")], axis=1)
    first = smallest_neighbours(buckets, samples, hashes, distance, cap)
    found = np.flatnonzero(first >= 0)
    pairs = [array_of(samples[found]), array_of(samples[first[found]])]
    heads = np.asarray(table.column("head").to_numpy(), dtype=np.uint32)
    return pa.table(pairs, schema=SCHEMAS[NEIGHBOURS_ROLE]), heads[found]


def smallest_neighbours(
    buckets: Words, samples: Words, hashes: Numbers, distance: int, cap: int
) -> Positions:
    """Returns the position of each row's neighbour with the smallest id, if smaller than its own; or -1.

    Neighbours are rows of the same bucket, among the `cap` smallest ids of it, whose hashes differ in
    at most `distance` bits.
    """
    order = ascending(buckets, samples)
    ordered = hashes[order]
    starts = starts_of_groups(buckets[order])
    ranks = ranks_in_groups(starts)
    begin = np.arange(len(order)) - ranks
    first = np.full(len(order), -1, dtype=np.int64)
    open_rows = np.flatnonzero(ranks > 0)
    for candidate in range(cap):
        open_rows = open_rows[ranks[open_rows] > candidate]
        if not len(open_rows):
            break
        other = begin[open_rows] + candidate
        near = np.bitwise_count(ordered[open_rows] ^ ordered[other]) <= distance
        first[open_rows[near]] = order[other[near]]
        open_rows = open_rows[~near]
    result = np.empty(len(order), dtype=np.int64)
    result[order] = first
    return result


def _column(table: pa.Table, name: str) -> Numbers:
    return np.asarray(table.column(name).to_numpy(), dtype=np.uint64)
