"""An index version that is open: its segments mapped and searched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill.closing import Closing
from pairmill.errors import CorruptObjectError
from pairmill.idarrays import Positions, Words
from pairmill.store.port import ObjectStore
from pairmill_index.arrays import NO_ROW, Flags, Floats, Found, Halves
from pairmill_index.columns import GONE_ROW
from pairmill_index.faiss_adapter import Lists
from pairmill_index.files import LocalFiles
from pairmill_index.ids import find_rows, map_ids
from pairmill_index.layout import GRAPH, IDS, LISTS, ROWS, VECTORS, name_of
from pairmill_index.manifest import EXACT, Current, IndexVersion, Modality, Segment, VectorIndex
from pairmill_index.mapped import map_array, map_table, map_vectors
from pairmill_index.publish import current_of, read_version
from pairmill_index.vector_search import Admitted, VectorSearch


class OpenSegment:
    """A segment whose files are mapped. Thread-safe."""

    def __init__(
        self, segment: Segment, paths: Mapping[str, Path], dimensions: int, threads: int = 1
    ) -> None:
        """`paths` says where each of the segment's files lies, by its name (`pairmill_index.layout`)."""
        self.segment = segment
        self.rows = segment.rows
        self.table: pa.Table = map_table(paths[ROWS], segment.rows)
        self.ids: Words = map_ids(paths[IDS], segment.rows)
        self.alive: Flags = np.ones(segment.rows, dtype=np.bool_)
        self._all = Admitted(None, segment.rows)
        self._vectors: dict[Modality, Halves] = {}
        self._searches: dict[Modality, VectorSearch] = {}
        for index in segment.indices:
            name = index.modality
            vectors = map_vectors(paths[VECTORS.format(name)], segment.rows, dimensions)
            lists, list_of_row = _lists(paths, index, segment.rows, dimensions)
            self._vectors[name] = vectors
            self._searches[name] = VectorSearch(vectors, index, lists, list_of_row, threads=threads)

    def vectors(self, modality: Modality) -> Halves:
        """Returns the vectors of a modality, `(rows, dimensions) float16` of unit length, mapped."""
        return self._vectors[modality]

    def searcher(self, modality: Modality) -> VectorSearch:
        """Returns what searches a modality, to measure it."""
        return self._searches[modality]

    def find(self, ids: Words) -> Positions:
        """Returns the row of each id, `(n, 2) uint64` (`pairmill.idarrays`), or -1.

        Removed rows are not found.
        """
        rows = find_rows(self.ids, ids)
        rows[(rows >= 0) & ~self.alive[rows]] = NO_ROW
        return rows

    def admitted(self, mask: Flags | None = None) -> Admitted:
        """Returns the rows of a mask, `(rows,)`, that count, to be kept for searches with equal filters."""
        if mask is None:
            return self._all
        return Admitted(mask if self._all.mask is None else self.alive & mask, self.rows)

    def search(
        self,
        modality: Modality,
        queries: Floats,
        k: int,
        *,
        mask: Flags | Admitted | None = None,
        probes: int | None = None,
    ) -> Found:
        """Returns the k nearest rows of each query: cosines `(q, k)`, best first, and rows `(q, k)`.

        `queries` are `(q, dimensions)` unit vectors; `mask`, `(rows,)`, says which rows take part. Where
        there are fewer than k, the rest has row -1 and score -inf. Cosines are exact, of the stored vectors.
        `probes` replaces the number of inverted lists that are looked into.
        """
        admitted = mask if isinstance(mask, Admitted) else self.admitted(mask)
        return self._searches[modality].search(queries, k, admitted, probes)

    def mask(self, ids: Words) -> None:
        """Lets ids count no more. To be called before the segment is shared among threads."""
        rows = find_rows(self.ids, ids)
        self.alive[rows[rows >= 0]] = False
        self._all = Admitted(self.alive, self.rows)

    def mask_gone(self) -> None:
        """Lets rows that the dataset does not have any more count no more; to be called like `mask`."""
        if self.segment.gone_rows:
            self.alive &= self.table["data_row"].to_numpy() != GONE_ROW
            self._all = Admitted(self.alive, self.rows)


def _lists(
    paths: Mapping[str, Path], index: VectorIndex, rows: int, dimensions: int
) -> tuple[Lists | None, npt.NDArray[np.int32] | None]:
    """Returns the inverted lists of a modality and the list of each row; nothing where search is exact."""
    if index.kind == EXACT:
        return None, None
    path = paths[GRAPH.format(index.modality)]
    lists = Lists.opened(path)
    list_of_row = map_array(paths[LISTS.format(index.modality)])
    if (lists.rows, lists.dimensions, lists.count) != (rows, dimensions, index.lists):
        raise CorruptObjectError(
            f"{path.name} holds {lists.rows} vectors of {lists.dimensions} dimensions in {lists.count} "
            f"lists, not {rows} of {dimensions} in {index.lists}"
        )
    if list_of_row.dtype != np.dtype("<i4") or list_of_row.shape != (rows,):
        raise CorruptObjectError(f"{path.name}: the list of each row does not fit {rows} rows")
    return lists, list_of_row


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIndex(Closing):
    """An index version whose files are mapped. Thread-safe."""

    manifest: IndexVersion
    version: str
    segments: tuple[OpenSegment, ...]
    buckets: Mapping[str, tuple[OpenSegment, ...]]

    def close(self) -> None:
        """Gives up the maps once nobody holds arrays of them any more."""


def open_index(
    store: ObjectStore, folder: Path, *, threads: int = 1, current: Current | None = None
) -> OpenIndex:
    """Opens a version in a dataset's store; the one that serves if none is named.

    Files are mapped where they lie if the store is a folder, otherwise copied into `folder`, where it is also
    noted which were compared with their digests. A search uses `threads` cores. Raises NoIndexError where
    there is no index, and CorruptObjectError naming a file that is not as it was written.
    """
    current = current or current_of(store)
    manifest = read_version(store, current)
    files = LocalFiles(store, folder)
    segments = tuple(_opened(segment, files, manifest, threads) for segment in manifest.segments)
    removed = map_array(files.local(manifest.removed)) if manifest.removed is not None else None
    _mask(segments, removed)
    files.note()
    names = dict.fromkeys(segment.segment.bucket for segment in segments)
    buckets = {name: tuple(one for one in segments if one.segment.bucket == name) for name in names}
    return OpenIndex(manifest=manifest, version=current.version, segments=segments, buckets=buckets)


def _mask(segments: tuple[OpenSegment, ...], removed: Words | None) -> None:
    """Masks what counts no more: removed ids, rows that are gone, and rows that a later segment replaces."""
    for place, segment in enumerate(segments):
        segment.mask_gone()
        if removed is not None:
            segment.mask(removed)
        for later in segments[place + 1 :]:
            segment.mask(later.ids)


def _opened(segment: Segment, files: LocalFiles, manifest: IndexVersion, threads: int) -> OpenSegment:
    paths = {name_of(file.path): files.local(file) for file in segment.files}
    return OpenSegment(segment, paths, manifest.dimensions, threads)
