"""What an addition writes to scratch disk: columns of old segments anew, and rows of new ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill.idarrays import Words, words_of
from pairmill.spill import PartitionSpill
from pairmill_index.assemble import SegmentWriters, by_bucket
from pairmill_index.columns import GONE_ROW, WORDS
from pairmill_index.held import HeldRows
from pairmill_index.ids import find_rows
from pairmill_index.join import aligned_parts, joined, sample_columns, without_ids
from pairmill_index.layout import ROWS
from pairmill_index.manifest import IndexVersion, Modality
from pairmill_index.old import OldSegment
from pairmill_index.passes import Cut, RowReader
from pairmill_index.refresh import KEPT_WORDS, refreshed
from pairmill_index.scatter import DATA, embedded_schema, parted
from pairmill_index.unpaired import ROWS as ROWS_COUNTED
from pairmill_index.unpaired import PairCounter
from pairmill_index.words import Vocabulary
from pairmill_index.writing import SegmentWriter, TableWriter


@dataclass(slots=True, kw_only=True)
class AddedRows:
    """Writes the rows of an addition. Not thread-safe."""

    reader: RowReader
    base: IndexVersion
    old: Sequence[OldSegment]
    removed: Words
    work: Path
    tables: dict[str, Path] = field(default_factory=dict)  # new columns, by the old segment's id
    gone: dict[str, int] = field(default_factory=dict)  # rows that the dataset has no more, by the same
    writers: dict[str, SegmentWriter] = field(default_factory=dict)  # new segments, by bucket
    counter: PairCounter = field(default_factory=PairCounter)  # what is in no segment for want of a half

    def write(self, refreshed: Sequence[OldSegment]) -> None:
        """Writes new columns for these segments, and the rows that are in no segment yet."""
        cut = Cut.of(self.reader.rows, self.base.dimensions, self.base.options.memory_bytes)
        words = Vocabulary(tuple(WORDS))
        (data, rest), embedded = self._data(cut, words), self._embedded(cut)
        refreshers = [_Refresher(one, cut, words, self.work) for one in refreshed]
        held: dict[str, HeldRows] = {}
        parts = aligned_parts(cut.ranges, data.parts(), embedded.parts(), rest.parts())
        ids = [one.ids() for one in self.old]
        for number, (left, right, other) in enumerate(parts):
            self.counter.add(self._staying(right), [self._staying(left), self._staying(other)], ids)
            for one in refreshers:
                one.write(number, left)
            if left is not None and right is not None:
                self._hold(held, without_ids(joined(right, left), self.removed))
        self.tables = {one.segment_id: one.close() for one in refreshers}
        self.gone = {one.segment_id: one.gone for one in refreshers}
        self.writers = self._written(held)

    def _staying(self, rows: pa.Table | None) -> pa.Table | None:
        return rows if rows is None else without_ids(rows, self.removed)

    def _data(self, cut: Cut, words: Vocabulary) -> tuple[PartitionSpill, PartitionSpill]:
        """Returns rows of `data/`, and those that are only counted."""
        spill, rest = cut.spill(self.work, DATA), cut.spill(self.work, ROWS_COUNTED)
        for _, rows in self.reader.data():
            table, left_out = parted(rows, only_kept=self.base.options.only_kept)
            words.add_columns(table)
            cut.add(spill, table)
            cut.add(rest, left_out)
        return spill, rest

    def _embedded(self, cut: Cut) -> PartitionSpill:
        """Returns the embedded samples that may be new.

        Those of embedding files that the index has not seen. Where it holds kept samples alone, others may
        have come to be kept, so that all that are in no segment are looked at.
        """
        known = set(self.base.sources)
        numbers = set(self.reader.numbers())
        wanted = numbers if self.base.options.only_kept else numbers - known
        spill = cut.spill(self.work, embedded_schema(self.base.dimensions))
        for number, table in self.reader.embedded(wanted):
            cut.add(spill, self._unknown(table) if number in known else table)
        return spill

    def _unknown(self, table: pa.Table) -> pa.Table:
        ids = words_of(table["id"].combine_chunks())
        is_known = np.zeros(len(ids), dtype=np.bool_)
        for one in self.old:
            is_known |= find_rows(one.ids(), ids) >= 0
        return table.filter(pa.array(~is_known))

    def _hold(self, held: dict[str, HeldRows], rows: pa.Table) -> None:
        for bucket, own in by_bucket(rows):
            if bucket not in held:
                held[bucket] = HeldRows(self.work / f"added-{bucket}.arrow", own.schema)
            held[bucket].add(own)

    def _written(self, held: dict[str, HeldRows]) -> dict[str, SegmentWriter]:
        writers = SegmentWriters(self.work, self.base.dimensions)
        for bucket, rows in held.items():
            rows.close()
            for batch in rows.batches():
                vectors = {modality: batch[modality.value] for modality in Modality}
                writers.add(bucket, sample_columns(batch, rows.words), vectors)
        return writers.close()


class _Refresher:
    """Writes an old segment's columns anew, range by range. Not thread-safe."""

    def __init__(self, old: OldSegment, cut: Cut, words: Vocabulary, work: Path) -> None:
        self.segment_id = old.segment.segment_id
        self.gone = 0
        self._table = old.table()
        self._words = words
        self._bounds: npt.NDArray[np.int64] = cut.bounds(old.ids())
        self._path = work / self.segment_id / ROWS
        self._path.parent.mkdir()
        self._writer = TableWriter(self._path)
        for name, texts in _known_texts(self._table):
            words.add(name, texts)

    def write(self, number: int, data: pa.Table | None) -> None:
        """Writes the rows of a range, given what `data/` has of it."""
        start, stop = int(self._bounds[number]), int(self._bounds[number + 1])
        if stop > start:
            rows = refreshed(self._table.slice(start, stop - start), data, self._words)
            self.gone += int(np.count_nonzero(rows["data_row"].to_numpy() == GONE_ROW))
            self._writer.add(rows)

    def close(self) -> Path:
        """Ends the file and returns where it lies."""
        self._writer.close()
        return self._path


def _known_texts(table: pa.Table) -> Iterator[tuple[str, pa.ChunkedArray[Any]]]:
    """Yields the texts that refreshed columns may hold besides those of `data/`."""
    for name in WORDS:
        yield name, pa.chunked_array([pa.array([""], pa.string())])
    for name in KEPT_WORDS:
        first: Any = table[name].chunk(0)  # all chunks have the same dictionary
        yield name, pa.chunked_array([first.dictionary])
