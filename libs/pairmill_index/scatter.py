"""The first pass of a build: rows of a dataset's files, by range of `sample_id` on scratch disk.

Embeddings lie in the order of download units, `data/` in that of its own ranges. Both are cut into the same
ranges here, so that the second pass can join them range by range in bounded memory. Every file is compared
with its digest before its rows are taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pairmill.dataset.arrays import Halves, mapped_halves
from pairmill.dataset.manifest import FileEntry
from pairmill.dataset.reader import Dataset, EmbeddingFiles
from pairmill.errors import CorruptObjectError
from pairmill.idarrays import array_of, ascending, find, words_of_hex
from pairmill.ids import ID_BYTES
from pairmill_index.digests import compared
from pairmill_index.manifest import Modality

TAKEN_OVER: Final = {
    "URL": pa.string(),
    "TEXT": pa.string(),
    "WIDTH": pa.int32(),
    "HEIGHT": pa.int32(),
    "similarity": pa.float32(),
    "LANGUAGE": pa.string(),
    "pwatermark": pa.float32(),
    "punsafe": pa.float32(),
    "AESTHETIC_SCORE": pa.float32(),
    "md5": pa.string(),
    "phash": pa.string(),
    "toxicity": pa.float32(),
    "crawl": pa.string(),
    "licence": pa.string(),
    "verdict": pa.string(),
    "reason": pa.string(),
    "cluster_id": pa.string(),
    "shard": pa.string(),
    "tar_offset": pa.int64(),
    "tar_size": pa.int64(),
}
"""Columns of `data/` that an index takes over."""

DATA: Final = pa.schema(
    [
        pa.field("id", pa.binary(ID_BYTES)),
        pa.field("bucket", pa.string()),
        pa.field("data_file", pa.string()),
        pa.field("data_row", pa.int64()),
        *(pa.field(name, kind) for name, kind in TAKEN_OVER.items()),
    ]
)
"""A row of `data/` on scratch disk."""

_FETCHED: Final = pa.timestamp("us", tz="UTC")


def embedded_schema(dimensions: int) -> pa.Schema:
    """Returns the columns of an embedded sample on scratch disk."""
    fields: list[pa.Field[Any]] = [
        pa.field("id", pa.binary(ID_BYTES)),
        pa.field("rank", pa.int16()),  # later jobs replace rows of earlier ones (U16)
        pa.field("host", pa.string()),
        pa.field("fetched_at", _FETCHED),
        pa.field("shard_index", pa.string()),
        *(pa.field(modality.value, pa.binary(2 * dimensions)) for modality in Modality),
    ]
    return pa.schema(fields)


def data_rows(dataset: Dataset, entry: FileEntry) -> Iterator[pa.Table]:
    """Yields the rows of one file of `data/` with the columns of DATA."""
    start = 0
    for batch in compared(dataset, entry).batches(entry, ["sample_id", *TAKEN_OVER]):
        size = len(batch)
        columns = {
            "id": array_of(words_of_hex(batch.column("sample_id"), ID_BYTES)),
            "bucket": pa.repeat(bucket_of_file(entry), size),
            "data_file": pa.repeat(entry.path, size),
            "data_row": pa.array(np.arange(start, start + size)),
            **{name: batch.column(name) for name in TAKEN_OVER},
        }
        start += size
        yield pa.table(columns, schema=DATA)


def parted(rows: pa.Table, *, only_kept: bool) -> tuple[pa.Table, pa.Table]:
    """Returns the rows of `data/` that an index takes in, and those that it leaves out."""
    if not only_kept:
        return rows, rows.slice(0, 0)
    is_kept: Any = pc.equal(rows["verdict"], pa.scalar("kept")).fill_null(False)
    return rows.filter(is_kept), rows.filter(pc.invert(is_kept))


def bucket_of_file(entry: FileEntry) -> str:
    """Returns the language bucket that a file of `data/` belongs to."""
    return entry.path.split("/")[1]


class EmbeddedRows:
    """Reads embedding files, with what the shard's index says of the fetch. Not thread-safe."""

    def __init__(self, dataset: Dataset, shard_indices: dict[str, FileEntry], dimensions: int) -> None:
        """`shard_indices` are the dataset's by their path."""
        self._dataset = dataset
        self._shard_indices = shard_indices
        self._schema = embedded_schema(dimensions)
        self._dimensions = dimensions

    def read(self, files: EmbeddingFiles, rank: int) -> pa.Table:
        """Returns the rows of one shard's embeddings; raises CorruptObjectError if the three do not fit."""
        metadata = pa.Table.from_batches(
            compared(self._dataset, files.metadata).batches(files.metadata, ["sample_id", "image_path"]),
            schema=pa.schema([("sample_id", pa.string()), ("image_path", pa.string())]),
        ).combine_chunks()
        size = len(metadata)
        ids = words_of_hex(_whole(metadata["sample_id"]), ID_BYTES)
        index = _index_beside(metadata["image_path"][0].as_py()) if size else ""
        host, fetched_at = self._fetched(index, ids)
        columns = {
            "id": array_of(ids),
            "rank": pa.array(np.full(size, rank, dtype=np.int16)),
            "host": host,
            "fetched_at": fetched_at,
            "shard_index": pa.repeat(index if index in self._shard_indices else "", size),
            Modality.IMAGE.value: self._vectors(files.image, size),
            Modality.TEXT.value: self._vectors(files.text, size),
        }
        return pa.table(columns, schema=self._schema)

    def _vectors(self, entry: FileEntry, size: int) -> pa.Array[Any]:
        with compared(self._dataset, entry).source.local(entry.path) as path:
            vectors: Halves = mapped_halves(path)
            if vectors.shape != (size, self._dimensions):
                raise CorruptObjectError(
                    f"{entry.path} holds {vectors.shape}, not {size} vectors of {self._dimensions} dimensions"
                )
            data = pa.py_buffer(vectors.tobytes())
        return pa.Array.from_buffers(pa.binary(2 * self._dimensions), size, [None, data])

    def _fetched(self, index: str, ids: Any) -> tuple[pa.Array[Any], pa.Array[Any]]:
        """Returns host and time of each sample's fetch; null where the shard's index does not have it."""
        entry = self._shard_indices.get(index)
        if entry is None:
            return pa.nulls(len(ids), pa.string()), pa.nulls(len(ids), _FETCHED)
        names = ["sample_id", "host", "fetched_at"]
        batches = compared(self._dataset, entry).batches(entry, names)
        table = pa.Table.from_batches(batches).combine_chunks()
        known = words_of_hex(_whole(table["sample_id"]), ID_BYTES)
        order = ascending(known)
        places = find(known[order], ids)
        taken = pa.array(np.where(places >= 0, order[places], 0), pa.int64(), mask=places < 0)
        return _whole(table["host"].take(taken)), _whole(table["fetched_at"].take(taken))


def _index_beside(image_path: str | None) -> str:
    """Returns the shard's index that lies beside the tar of an image."""
    tar = (image_path or "").rpartition("/")[0]
    return tar.removesuffix(".tar") + ".parquet"


def _whole(column: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    return column.combine_chunks()
