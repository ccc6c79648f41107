"""The three files of a shard's embeddings, written side by side and in constant memory.

A row exists in all three or in none; row i of each belongs to row i of the others.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.closing import Closing
from pairmill.reasons import reason_name
from pairmill.schemas import EMBED_FAILURES, EMBEDDING_METADATA, versioned
from pairmill_inference.npy import HalfRows
from pairmill_inference.pairs import EmbeddedBlock, Pair, RowFailure

_ROWS_PER_GROUP: Final = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelName:
    """What made the embeddings; stands in every row (F6)."""

    name: str
    version: str


class EmbeddingFiles(Closing):
    """Image embeddings, text embeddings and metadata of one shard. Not thread-safe.

    The files are whole after `close`. Without a row there is none of them worth keeping: readers of
    this layout break on empty files.
    """

    def __init__(self, folder: Path, dimensions: int, model: ModelName) -> None:
        self.image_path = folder / "image.npy"
        self.text_path = folder / "text.npy"
        self.metadata_path = folder / "metadata.parquet"
        self._model = model
        self._waiting: list[Pair] = []
        with ExitStack() as stack:
            self._images = stack.enter_context(HalfRows(self.image_path, dimensions))
            self._texts = stack.enter_context(HalfRows(self.text_path, dimensions))
            self._metadata = stack.enter_context(
                pq.ParquetWriter(self.metadata_path, versioned(EMBEDDING_METADATA), compression="zstd")
            )
            self._stack = stack.pop_all()

    @property
    def rows(self) -> int:
        """Rows written so far."""
        return self._images.rows

    def append(self, block: EmbeddedBlock) -> None:
        """Adds the rows of a block."""
        self._images.append(block.images)
        self._texts.append(block.texts)
        self._waiting.extend(block.pairs)
        if len(self._waiting) >= _ROWS_PER_GROUP:
            self._write_metadata()

    def close(self) -> None:
        """Makes the files whole; a second call does nothing."""
        self._write_metadata()
        self._stack.close()

    def _write_metadata(self) -> None:
        if self._waiting:
            self._metadata.write_table(metadata_table(self._waiting, self._model))
            self._waiting = []


def metadata_table(pairs: list[Pair], model: ModelName) -> pa.Table:
    """Returns the rows of `EMBEDDING_METADATA` for pairs in their order."""
    columns = {
        "key": [pair.key for pair in pairs],
        "url": [pair.url for pair in pairs],
        "caption": [pair.caption for pair in pairs],
        "sample_id": [pair.sample_id for pair in pairs],
        "image_path": [pair.image_path for pair in pairs],
        "model": [model.name] * len(pairs),
        "model_version": [model.version] * len(pairs),
    }
    return pa.table(columns, schema=versioned(EMBEDDING_METADATA))


def write_failures(path: Path, failures: list[RowFailure]) -> None:
    """Writes rows without embeddings as parquet with the schema `EMBED_FAILURES`."""
    columns = {
        "sample_id": [failure.sample_id for failure in failures],
        "reason": [reason_name(failure.reason) for failure in failures],
        "detail": [failure.detail for failure in failures],
    }
    pq.write_table(pa.table(columns, schema=versioned(EMBED_FAILURES)), path, compression="zstd")
