"""Cutting a dataset's rows into ranges of ids on scratch disk, in bounded memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill.dataset import roles
from pairmill.dataset.lineage import lineage_of
from pairmill.dataset.reader import Dataset
from pairmill.errors import ConfigurationError
from pairmill.idarrays import Words, partition_of, words_of
from pairmill.spill import PartitionSpill
from pairmill_index.progress import Progress
from pairmill_index.scatter import EmbeddedRows, bucket_of_file, data_rows

_COLUMN_BYTES: Final = 600  # of a row of `data/` in memory, about
_SPILL_SHARE: Final = 16  # of the memory budget that a table to be spilt may take; sorting takes it thrice
_RANGE_SHARE: Final = 8  # and all rows of a range, joined and sorted


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Into how many ranges ids are cut, and how many bytes of rows stay in memory."""

    ranges: int
    spill_bytes: int

    @classmethod
    def of(cls, rows: int, dimensions: int, memory_bytes: int) -> Cut:
        """Returns the cut for that many rows, so that neither pass goes over the budget."""
        row_bytes = 4 * dimensions + _COLUMN_BYTES
        return cls(
            ranges=max(1, -(-rows * row_bytes * _RANGE_SHARE // memory_bytes)),
            spill_bytes=memory_bytes // _SPILL_SHARE,
        )

    def bounds(self, ids: Words) -> npt.NDArray[np.int64]:
        """Returns where each range begins among ids that are sorted, and their number: `(ranges + 1,)`."""
        heads = [-(-(number << 32) // self.ranges) << 32 for number in range(self.ranges)]
        starts = np.searchsorted(ids[:, 0], np.array(heads, dtype=np.uint64))
        return np.append(starts, len(ids)).astype(np.int64)

    def spill(self, folder: Path, schema: pa.Schema) -> PartitionSpill:
        """Returns an empty spill for rows of these columns."""
        return PartitionSpill(folder, schema, max_rows=1 << 62, max_bytes=self.spill_bytes)

    def add(self, spill: PartitionSpill, table: pa.Table) -> None:
        """Puts rows into a spill by the range of their column `id`."""
        if len(table):
            spill.add(table, partition_of(words_of(table["id"].combine_chunks()), self.ranges))


class RowReader:
    """Reads what an index needs of a dataset. Not thread-safe."""

    def __init__(self, dataset: Dataset, progress: Progress) -> None:
        """Raises ConfigurationError for a dataset without embeddings."""
        self.dataset = dataset
        self.dimensions = int(dataset.manifest.bundle.get("dimensions", 0))
        self.rows = sum(entry.rows for entry in dataset.files(roles.EMBEDDING_METADATA))
        if not self.dimensions or not self.rows:
            raise ConfigurationError(f"{dataset.source}: the dataset has no samples with embeddings to index")
        self._progress = progress

    def numbers(self) -> list[str]:
        """Returns the numbers of all embedding files, sorted."""
        return sorted(files.number for files in self.dataset.embeddings())

    def buckets(self) -> list[str]:
        """Returns the language buckets that have samples, sorted."""
        return sorted({bucket_of_file(entry) for entry in self.dataset.files(roles.SAMPLES)})

    def data(self) -> Iterator[tuple[str, pa.Table]]:
        """Yields the rows of `data/`, with their bucket."""
        total = sum(entry.rows for entry in self.dataset.files(roles.SAMPLES))
        done = 0
        for entry in self.dataset.files(roles.SAMPLES):
            for table in data_rows(self.dataset, entry):
                yield bucket_of_file(entry), table
            done += entry.rows
            self._progress("reading samples", done, total)

    def embedded(self, wanted: Collection[str]) -> Iterator[tuple[str, pa.Table]]:
        """Yields the embedded samples of the files with these numbers, with their number."""
        lineage = lineage_of(self.dataset)
        indices = {entry.path: entry for entry in self.dataset.files(roles.SHARD_INDEX)}
        reader = EmbeddedRows(self.dataset, indices, self.dimensions)
        done = 0
        for files in self.dataset.embeddings():
            if files.number in wanted:
                yield files.number, reader.read(files, lineage.rank(files.metadata))
            done += files.metadata.rows
            self._progress("reading embeddings", done, self.rows)
