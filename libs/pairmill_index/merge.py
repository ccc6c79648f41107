"""Writing several segments as one, in order of id, without the rows that count no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pairmill.idarrays import Positions, Words, ascending, words_of
from pairmill_index.arrays import Flags
from pairmill_index.columns import GONE_ROW, WORDS
from pairmill_index.ids import find_rows
from pairmill_index.manifest import Modality
from pairmill_index.old import OldSegment
from pairmill_index.passes import Cut
from pairmill_index.progress import Progress
from pairmill_index.words import Vocabulary
from pairmill_index.writing import SegmentWriter


@dataclass(frozen=True, slots=True)
class Counted:
    """An old segment and which of its rows count."""

    old: OldSegment
    alive: Flags
    has_removed: bool

    @property
    def rows(self) -> int:
        """Rows of the segment."""
        return self.old.segment.rows

    @property
    def dead_share(self) -> float:
        """Part of the rows that count no more."""
        return 1 - float(np.count_nonzero(self.alive)) / self.rows


def counted(segments: Sequence[OldSegment], removed: Words) -> list[Counted]:
    """Returns which rows of a version's segments count: those that are found when it is open."""
    found = []
    for place, one in enumerate(segments):
        ids = one.ids()
        alive = np.ones(len(ids), dtype=np.bool_)
        if one.segment.gone_rows:
            alive &= one.table()["data_row"].to_numpy() != GONE_ROW
        rows = find_rows(ids, removed)
        alive[rows[rows >= 0]] = False
        for later in segments[place + 1 :]:
            replaced = find_rows(ids, later.ids())
            alive[replaced[replaced >= 0]] = False
        found.append(Counted(one, alive, bool((rows >= 0).any())))
    return found


def served_rows(segments: Sequence[OldSegment], removed: Words) -> int:
    """Returns how many rows of a version's segments count."""
    return sum(int(np.count_nonzero(one.alive)) for one in counted(segments, removed))


def write_merged(
    group: Sequence[Counted], writer: SegmentWriter, memory_bytes: int, progress: Progress
) -> None:
    """Writes the rows that count, range by range of ids, and closes the writer.

    Dictionaries hold the texts that still occur: nothing of a removed sample stays.
    """
    dimensions = group[0].old.dimensions
    cut = Cut.of(sum(one.rows for one in group), dimensions, memory_bytes)
    bounds = [cut.bounds(one.old.ids()) for one in group]
    words = Vocabulary(tuple(WORDS))
    for number in range(cut.ranges):
        for one, ends in zip(group, bounds, strict=True):
            table = _table(one, _rows(one, ends, number))
            for name in WORDS:
                words.add(name, _plain(table, name))
    for number in range(cut.ranges):
        rows = [_rows(one, ends, number) for one, ends in zip(group, bounds, strict=True)]
        tables = [_table(one, own) for one, own in zip(group, rows, strict=True)]
        columns = pa.concat_tables([_encoded(table, words) for table in tables]).combine_chunks()
        order = ascending(words_of(columns["sample_id"].combine_chunks()))
        vectors = {modality: _vectors(group, rows, modality, order) for modality in Modality}
        writer.add(columns.take(order), vectors)
        progress("merging", number + 1, cut.ranges)
    writer.close()


def _rows(one: Counted, ends: Positions, number: int) -> Positions:
    """Returns the rows of a range that count."""
    start, stop = int(ends[number]), int(ends[number + 1])
    return start + np.flatnonzero(one.alive[start:stop])


def _table(one: Counted, rows: Positions) -> pa.Table:
    return one.old.table().take(rows)


def _plain(table: pa.Table, name: str) -> pa.ChunkedArray[Any]:
    return table[name].cast(pa.string())


def _encoded(table: pa.Table, words: Vocabulary) -> pa.Table:
    columns = [
        words.encode(name, _plain(table, name)) if name in WORDS else table[name]
        for name in table.column_names
    ]
    return pa.table(columns, schema=table.schema)


def _vectors(
    group: Sequence[Counted], rows: Sequence[Positions], modality: Modality, order: Positions
) -> pa.ChunkedArray[Any]:
    picked = [one.old.vectors(modality)[own] for one, own in zip(group, rows, strict=True)]
    vectors = np.concatenate(picked)[order]
    kind, data = pa.binary(2 * vectors.shape[1]), pa.py_buffer(vectors.tobytes())
    column: pa.Array[Any] = pa.Array.from_buffers(kind, len(vectors), [None, data])
    return pa.chunked_array([column])
