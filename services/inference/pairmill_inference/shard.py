"""Reading a shard of our own: its index says which rows were downloaded and where their images stand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pairmill.closing import Closing
from pairmill_inference.pairs import Pair, StoredPair
from pairmill_models.decoding import ImageError
from pairmill_protos.common.v1.outcome_pb2 import Reason

_COLUMNS: Final = ("sample_id", "url", "caption", "tar_offset", "tar_size")
_HEADER_BYTES: Final = 512  # a tar member's header stands right before its bytes
_NAME_BYTES: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardRow:
    """A downloaded row of a shard's index."""

    sample_id: str
    url: str
    caption: str
    tar_offset: int | None
    tar_size: int | None


def downloaded_rows(index: Path) -> pa.Table:
    """Returns what an embed unit needs of the rows with the outcome `passed`, in the index's order."""
    table = pq.read_table(index, columns=["outcome", *_COLUMNS])
    return table.filter(pc.equal(table["outcome"], pa.scalar("passed"))).select(_COLUMNS)


def blocks_of(table: pa.Table, block_rows: int, block_bytes: int) -> Iterator[list[ShardRow]]:
    """Yields the rows of `downloaded_rows` in blocks of at most so many rows and image bytes.

    A single image with more bytes is a block of its own.
    """
    block: list[ShardRow] = []
    size = 0
    for batch in table.to_batches(max_chunksize=block_rows):
        for fields in batch.to_pylist():
            row = ShardRow(**fields)
            if block and (len(block) == block_rows or size + (row.tar_size or 0) > block_bytes):
                yield block
                block, size = [], 0
            block.append(row)
            size += row.tar_size or 0
    if block:
        yield block


class ShardImages(Closing):
    """The images of a shard's tar, read by offset. Thread-safe until closed."""

    def __init__(self, path: Path, key: str) -> None:
        self._key = key
        self._file = os.open(path, os.O_RDONLY)
        self._size = os.fstat(self._file).st_size

    def read(self, row: ShardRow) -> StoredPair:
        """Returns a row with its image's bytes; raises ImageError if they are not there.

        The member's name must be the row's: an index that points to another sample's image must not
        give a row somebody else's embedding (F8).
        """
        if row.tar_offset is None or row.tar_offset < _HEADER_BYTES or not row.tar_size:
            raise ImageError(Reason.REASON_DECODE_ERROR, "the index names no image in the tar")
        header = os.pread(self._file, _HEADER_BYTES, row.tar_offset - _HEADER_BYTES)
        member = header[:_NAME_BYTES].rstrip(b"\0").decode(errors="replace")
        if Path(member).name.partition(".")[0] != row.sample_id:
            raise ImageError(Reason.REASON_DECODE_ERROR, "the tar holds something else at this offset")
        if row.tar_offset + row.tar_size > self._size:
            raise ImageError(Reason.REASON_TRUNCATED_IMAGE, "the tar ends within the image")
        data = os.pread(self._file, row.tar_size, row.tar_offset)
        pair = Pair(
            sample_id=row.sample_id,
            key=row.sample_id,
            url=row.url,
            caption=row.caption,
            image_path=f"{self._key}/{member}",
        )
        return StoredPair(pair=pair, data=data)

    def close(self) -> None:
        """Closes the file; a second call does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
