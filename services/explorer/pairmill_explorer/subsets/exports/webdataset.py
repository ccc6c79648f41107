"""WebDataset tars, put together from the blocks of stored ones; index and totals beside, as in `train/`."""

from __future__ import annotations

import json
import tarfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from pairmill.dataset.tars import BLOCK
from pairmill.errors import CorruptObjectError
from pairmill.schemas import versioned
from pairmill_explorer.subsets.exports.blocks import RawSample, Wanted, read_samples
from pairmill_explorer.subsets.exports.job import PartRecord, WrittenFile
from pairmill_explorer.subsets.exports.layout import part_name
from pairmill_explorer.subsets.exports.ranges import ranges_of
from pairmill_explorer.subsets.exports.rows import columns_of
from pairmill_explorer.subsets.exports.sink import HashingFile, write_parquet
from pairmill_explorer.subsets.exports.spaces import Space, Spaces
from pairmill_explorer.subsets.exports.writers import Target
from pairmill_explorer.subsets.order import Places, in_order, shuffled
from pairmill_explorer.subsets.segments import Flags

_NAMES: Final = {
    "sample_id": "sample_id",
    "url": "url",
    "caption": "text",
    "language": "language",
    "verdict": "verdict",
    "original_width": "width",
    "original_height": "height",
    "similarity": "similarity",
    "punsafe": "unsafe_score",
    "pwatermark": "watermark_score",
    "aesthetic_score": "aesthetic_score",
    "toxicity": "toxicity",
    "md5": "md5",
    "host": "host",
    "crawl": "crawl",
    "licence": "licence",
    "fetched_at": "fetched_at",
}
"""Columns of the index beside a tar, with the column of the search index that they come from."""

_READERS: Final = 8
_BATCH: Final = 64
_BATCH_BYTES: Final = 1 << 22


@dataclass(frozen=True, slots=True)
class _Batch:
    """Samples that were read, and the space that they stand in, without gaps."""

    samples: list[RawSample | CorruptObjectError]
    space: Space


@dataclass(slots=True)
class _Written:
    """What became of a part's samples."""

    positions: list[int] = field(default_factory=list)  # in the part, of those written
    offsets: list[int] = field(default_factory=list)  # of the image in the tar
    names: list[str] = field(default_factory=list)  # of the image's member
    corrupt: list[str] = field(default_factory=list)
    place: int = 0  # of the next sample in the part

    def add(self, wanted: Wanted, sample: RawSample | CorruptObjectError, position: int) -> None:
        """Notes the next sample; `position` is where its batch begins in the tar."""
        if isinstance(sample, CorruptObjectError):
            self.corrupt.append(wanted.key)
        else:
            self.positions.append(self.place)
            self.offsets.append(position + sample.start + BLOCK)
            self.names.append(f"{wanted.key}.{sample.extension}")
        self.place += 1


class WebDatasetWriter:
    """Writes parts, several at once: what they wait for is disk and network."""

    at_once = 2

    def __init__(self, target: Target, chosen: Sequence[Flags]) -> None:
        """`chosen` has images only."""
        self._target = target
        self._chosen = chosen
        self._ranges = ranges_of(target.source)
        self._spaces = Spaces()
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="export-reader")

    def places(self) -> Iterator[Places]:
        """Yields all rows in a random order that follows from the recipe's seed."""
        seed = int(self._target.job.recipe.get("seed", 0))
        return in_order(self._target.index.segments, self._chosen, shuffled(~seed))

    def write(self, number: int, places: Places) -> PartRecord:
        """Writes a tar with its index and totals."""
        names = [*_NAMES.values(), "shard", "tar_offset", "tar_size"]
        rows = columns_of(self._target.index.segments, places, names)
        wanted, written = _wanted(rows), _Written()
        tar = self._put(number, ".tar", len(wanted), lambda file: self._write_tar(file, wanted, written))
        table = _index(rows, written)
        index = self._put(number, ".parquet", len(table), lambda file: write_parquet(file, table))
        totals = _stats(len(table))
        stats = self._put(number, "_stats.json", 0, lambda file: _write(file, totals))
        kept = len(table)
        tar = WrittenFile(path=tar.path, rows=kept, bytes=tar.bytes, sha256=tar.sha256)
        return PartRecord(number=number, rows=kept, files=(tar, index, stats), corrupt=tuple(written.corrupt))

    def close(self) -> None:
        """Ends the readers."""
        self._readers.shutdown(cancel_futures=True)
        self._ranges.close()

    def _put(self, number: int, suffix: str, rows: int, write: Callable[[HashingFile], None]) -> WrittenFile:
        return self._target.sink.put(part_name(number, suffix), rows, write)

    def _write_tar(self, file: HashingFile, wanted: Sequence[Wanted], written: _Written) -> None:
        for batch in self._batches(wanted):
            self._target.check()
            position, before = file.position, len(written.positions)
            for sample in batch.samples:
                written.add(wanted[written.place], sample, position)
            file.write(batch.space.filled)
            self._spaces.give_back(batch.space)
            self._target.advance(len(written.positions) - before, file.position - position)
        end = file.position + 2 * BLOCK
        file.write(bytes(2 * BLOCK + -end % tarfile.RECORDSIZE))

    def _batches(self, wanted: Sequence[Wanted]) -> Iterator[_Batch]:
        """Yields samples in their order; so many batches are read ahead, so many are held."""
        waiting: deque[Future[_Batch]] = deque()
        try:
            for some in _in_batches(wanted):
                waiting.append(self._readers.submit(self._read, some))
                if len(waiting) > _READERS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _read(self, wanted: Sequence[Wanted]) -> _Batch:
        space = self._spaces.lend()
        return _Batch(read_samples(self._ranges, wanted, space), space)


def _in_batches(wanted: Sequence[Wanted]) -> Iterator[Sequence[Wanted]]:
    """Yields runs of samples that are few and take little memory together; a large one stands alone."""
    start, size = 0, 0
    for place, one in enumerate(wanted):
        length = one.likely_end - one.start
        if place > start and (place - start == _BATCH or size + length > _BATCH_BYTES):
            yield wanted[start:place]
            start, size = place, 0
        size += length
    if start < len(wanted):
        yield wanted[start:]


def _wanted(rows: pa.Table) -> list[Wanted]:
    columns = (rows.column(name).to_pylist() for name in ("sample_id", "shard", "tar_offset", "tar_size"))
    return [Wanted(*values) for values in zip(*columns, strict=True)]


def _index(rows: pa.Table, written: _Written) -> pa.Table:
    """Returns the samples of a tar in its order."""
    kept = rows.take(np.array(written.positions, dtype=np.int64))
    columns = {"key": kept.column("sample_id")}
    columns |= {name: kept.column(column) for name, column in _NAMES.items()}
    columns["image_path"] = pa.chunked_array([pa.array(written.names, pa.string())])
    columns["tar_offset"] = pa.chunked_array([pa.array(written.offsets, pa.int64())])
    columns["tar_size"] = kept.column("tar_size")
    table = pa.table(columns)
    return table.cast(versioned(table.schema))


def _write(file: HashingFile, data: bytes) -> None:
    file.write(data)


def _stats(count: int) -> bytes:
    """Returns img2dataset's totals but for times: equal parts have equal bytes."""
    totals = {
        "count": count,
        "successes": count,
        "failed_to_download": 0,
        "failed_to_resize": 0,
        "status_dict": {"success": count},
    }
    return json.dumps(totals, indent=4).encode()
