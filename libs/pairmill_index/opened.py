"""An index version that is open: its segments mapped and searched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill.idarrays import Positions, Words
from pairmill.store.port import ObjectStore
from pairmill_index.exact import Floats, Found, Halves, search_exact
from pairmill_index.files import LocalFiles
from pairmill_index.ids import find_rows, map_ids
from pairmill_index.layout import ids_key, rows_key, vectors_key
from pairmill_index.manifest import Current, IndexVersion, Modality, Segment
from pairmill_index.mapped import map_array, map_table, map_vectors
from pairmill_index.publish import current_of, read_version


class OpenSegment:
    """A segment whose files are mapped. Thread-safe."""

    def __init__(self, segment: Segment, paths: Mapping[str, Path], dimensions: int) -> None:
        """`paths` says where each of the segment's files lies, by its key."""
        name = segment.segment_id
        self.segment = segment
        self.rows = segment.rows
        self.table: pa.Table = map_table(paths[rows_key(name)], segment.rows)
        self.ids: Words = map_ids(paths[ids_key(name)], segment.rows)
        self.alive: npt.NDArray[np.bool_] = np.ones(segment.rows, dtype=np.bool_)
        self._vectors = {
            index.modality: map_vectors(paths[vectors_key(name, index.modality)], segment.rows, dimensions)
            for index in segment.indices
        }

    def vectors(self, modality: Modality) -> Halves:
        """Returns the vectors of a modality, `(rows, dimensions) float16` of unit length, mapped."""
        return self._vectors[modality]

    def find(self, ids: Words) -> Positions:
        """Returns the row of each id, `(n, 2) uint64` (`pairmill.idarrays`), or -1.

        Removed rows are not found.
        """
        rows = find_rows(self.ids, ids)
        rows[(rows >= 0) & ~self.alive[rows]] = -1
        return rows

    def search(
        self,
        modality: Modality,
        queries: Floats,
        k: int,
        *,
        mask: npt.NDArray[np.bool_] | None = None,
        probes: int | None = None,
    ) -> Found:
        """Returns the k nearest rows of each query: cosines `(q, k)`, best first, and rows `(q, k)`.

        `queries` are `(q, dimensions)` unit vectors; `mask`, `(rows,)`, says which rows take part. Where
        there are fewer than k, the rest has row -1 and score -inf. Cosines are exact, of the stored vectors.
        """
        admitted = self.alive if mask is None else self.alive & mask
        rows = None if bool(admitted.all()) else np.flatnonzero(admitted)
        return search_exact(self.vectors(modality), queries, k, rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIndex:
    """An index version whose files are mapped. Thread-safe."""

    manifest: IndexVersion
    version: str
    segments: tuple[OpenSegment, ...]
    buckets: Mapping[str, tuple[OpenSegment, ...]]

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes it."""
        self.close()

    def close(self) -> None:
        """Gives up the maps once nobody holds arrays of them any more."""


def open_index(store: ObjectStore, folder: Path, current: Current | None = None) -> OpenIndex:
    """Opens a version in a dataset's store; the one that serves if none is named.

    Files are mapped where they lie if the store is a folder, otherwise copied into `folder`, where it is also
    noted which were compared with their digests. Raises NoIndexError where there is no index, and
    CorruptObjectError naming a file that is not as it was written.
    """
    current = current or current_of(store)
    manifest = read_version(store, current)
    files = LocalFiles(store, folder)
    segments = tuple(_opened(segment, files, manifest) for segment in manifest.segments)
    if manifest.removed is not None:
        _mask_removed(segments, map_array(files.local(manifest.removed)))
    files.note()
    names = dict.fromkeys(segment.segment.bucket for segment in segments)
    buckets = {name: tuple(one for one in segments if one.segment.bucket == name) for name in names}
    return OpenIndex(manifest=manifest, version=current.version, segments=segments, buckets=buckets)


def _opened(segment: Segment, files: LocalFiles, manifest: IndexVersion) -> OpenSegment:
    paths = {file.path: files.local(file) for file in segment.files}
    return OpenSegment(segment, paths, manifest.dimensions)


def _mask_removed(segments: tuple[OpenSegment, ...], removed: Words) -> None:
    for segment in segments:
        rows = segment.find(removed)
        segment.alive[rows[rows >= 0]] = False
