"""Segments that are read again, to be written anew with other columns or without removed rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pairmill.idarrays import Words
from pairmill_index.arrays import Halves
from pairmill_index.files import LocalFiles
from pairmill_index.ids import map_ids
from pairmill_index.layout import GRAPH, IDS, ROWS, VECTORS, name_of
from pairmill_index.manifest import EXACT, IndexFile, Modality, Segment, VectorIndex
from pairmill_index.mapped import map_table, map_vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class OldSegment:
    """A segment's files, copied when they are first asked for."""

    segment: Segment
    files: LocalFiles
    dimensions: int

    def file(self, name: str) -> IndexFile:
        """Returns one of the segment's files by its name (`pairmill_index.layout`)."""
        return next(file for file in self.segment.files if name_of(file.path) == name)

    def table(self) -> pa.Table:
        """Returns the columns, mapped."""
        return map_table(self._local(ROWS), self.segment.rows)

    def ids(self) -> Words:
        """Returns the ids, sorted, `(rows, 2) uint64`, mapped."""
        return map_ids(self._local(IDS), self.segment.rows)

    def vectors(self, modality: Modality) -> Halves:
        """Returns the vectors of a modality, mapped."""
        return map_vectors(self._local(VECTORS.format(modality)), self.segment.rows, self.dimensions)

    def lists(self) -> dict[Modality, tuple[VectorIndex, Path]]:
        """Returns the inverted lists that there are, with their files."""
        return {
            index.modality: (index, self._local(GRAPH.format(index.modality)))
            for index in self.segment.indices
            if index.kind != EXACT
        }

    def _local(self, name: str) -> Path:
        return self.files.local(self.file(name))
