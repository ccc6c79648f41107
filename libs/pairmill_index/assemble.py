"""From rows in order of id to a finished segment: its files written, its lists built, measured and stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pairmill.store.port import ObjectStore
from pairmill_index.errors import IndexRefusedError, NoRoomError
from pairmill_index.lists_build import ListsBuilder, Written
from pairmill_index.manifest import Modality, Segment, VectorIndex
from pairmill_index.options import BuildOptions
from pairmill_index.pending import PendingSegment
from pairmill_index.rule import Choice, choose
from pairmill_index.writing import SegmentWriter

Shared = Mapping[Modality, tuple[VectorIndex, Path]]
"""Lists whose training a new segment may share, by modality, with their file."""


class SegmentWriters:
    """Writes the rows of several buckets, each in order of id, into a folder. Not thread-safe."""

    def __init__(self, folder: Path, dimensions: int) -> None:
        self._folder = folder
        self._dimensions = dimensions
        self._writers: dict[str, SegmentWriter] = {}

    def add(self, bucket: str, samples: pa.Table, vectors: Mapping[Modality, pa.ChunkedArray[Any]]) -> None:
        """Takes rows of a bucket that follow those taken before."""
        if bucket not in self._writers:
            self._writers[bucket] = SegmentWriter(self._folder / f"segment-{bucket}", self._dimensions)
        self._writers[bucket].add(samples, vectors)

    def close(self) -> dict[str, SegmentWriter]:
        """Ends all files and returns the writers of the buckets that came to rows."""
        for writer in self._writers.values():
            writer.close()
        return dict(sorted(self._writers.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembler:
    """Makes segments of written rows."""

    store: ObjectStore
    options: BuildOptions
    dimensions: int
    total_rows: int  # of the whole version, which share the memory budget
    builder: ListsBuilder

    def assemble(
        self, pending: PendingSegment, bucket: str, writer: SegmentWriter, shared: Shared | None = None
    ) -> Segment:
        """Builds a segment's lists and stores it; raises IndexRefusedError if they find too little."""
        written = Written(folder=writer.folder, rows=writer.rows, dimensions=self.dimensions)
        indices = tuple(self._index(written, modality, (shared or {}).get(modality)) for modality in Modality)
        refuse_below(self.options.min_recall, bucket, indices)
        segment = Segment(segment_id="", bucket=bucket, rows=writer.rows, files=(), indices=indices)
        return pending.put(segment, writer.paths())

    def _index(
        self, written: Written, modality: Modality, shared: tuple[VectorIndex, Path] | None
    ) -> VectorIndex:
        choice = self._choice(written.rows)
        if shared is not None and self._choice(written.rows, shared[0].lists).kind != shared[0].kind:
            shared = None  # its code is not the one that there is room for now, or its centroids leave none
        if not choice.fits:
            raise NoRoomError(
                f"memory: {self.options.memory_bytes:,} bytes are too few for {self.total_rows:,} samples of "
                f"{self.dimensions} dimensions; give more"
            )
        return self.builder.build(written, modality, choice, shared)

    def _choice(self, rows: int, lists: int | None = None) -> Choice:
        return choice_for(rows, self.total_rows, self.dimensions, self.options, lists)


def choice_for(
    rows: int, total_rows: int, dimensions: int, options: BuildOptions, lists: int | None = None
) -> Choice:
    """Returns how the rule has a segment of a version indexed, each vector of which has the same share."""
    return choose(
        rows=rows,
        dimensions=dimensions,
        memory_bytes=options.memory_bytes * rows // (len(Modality) * total_rows),
        latency_ms=options.latency_ms,
        lists=lists,
    )


def refuse_below(min_recall: float, bucket: str, indices: tuple[VectorIndex, ...]) -> None:
    """Raises IndexRefusedError if an index finds less than the gate."""
    for index in indices:
        if index.measured is not None and index.measured.recall_at_10 < min_recall:
            raise IndexRefusedError(
                f"{bucket}, {index.modality}: recall@10 is {index.measured.recall_at_10:.3f} with "
                f"{index.probes} of {index.lists} lists in {index.measured.p95_ms:.1f} ms, below the gate of "
                f"{min_recall}; give more latency or memory, or a lower gate. The old version keeps serving"
            )


def by_bucket(rows: pa.Table) -> list[tuple[str, pa.Table]]:
    """Returns rows by the value of their column `bucket`, sorted by it."""
    names = sorted({str(name) for name in rows["bucket"].unique().to_pylist()})
    return [(name, rows.filter(pc.field("bucket") == name)) for name in names]
