"""Stored embeddings of one shard: two arrays and a table, row-aligned, read without loading them whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.dataset.arrays import Halves, mapped_halves
from pairmill.errors import InvalidRecordError
from pairmill.schemas import EMBEDDING_METADATA


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEmbeddings:
    """Embeddings of n samples. The arrays are mapped from their files and read on use."""

    images: Halves  # (n, dim)
    texts: Halves  # (n, dim)
    metadata: pa.Table  # n rows

    @property
    def rows(self) -> int:
        """Number of samples."""
        return self.metadata.num_rows

    def blocks(self, size: int) -> Iterator[tuple[Halves, Halves]]:
        """Yields image and text rows, at most `size` at a time."""
        for start in range(0, self.rows, size):
            rows = slice(start, start + size)
            yield np.asarray(self.images[rows]), np.asarray(self.texts[rows])


def open_embeddings(images: Path, texts: Path, metadata: Path, dimensions: int) -> StoredEmbeddings:
    """Returns the embeddings in three files; raises InvalidRecordError unless they belong together."""
    found = StoredEmbeddings(
        images=mapped_halves(images), texts=mapped_halves(texts), metadata=pq.read_table(metadata)
    )
    wanted = (found.rows, dimensions)
    if found.images.shape != wanted or found.texts.shape != wanted:
        raise InvalidRecordError(
            f"image and text embeddings are {found.images.shape} and {found.texts.shape}, {wanted} is wanted"
        )
    return found


def no_embeddings(dimensions: int) -> StoredEmbeddings:
    """Returns the embeddings of a shard in which no row was embedded."""
    nothing = np.zeros((0, dimensions), dtype="<f2")
    return StoredEmbeddings(images=nothing, texts=nothing, metadata=EMBEDDING_METADATA.empty_table())
