"""Writing a shard: the tar in the order of its keys, the index with the places in it, the totals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.dataset.tar_writer import TarWriter
from pairmill_downloader.ends import Ended
from pairmill_downloader.shards.index import Row, described, index_row, index_table
from pairmill_downloader.shards.spill import ImageSpill, Place
from pairmill_downloader.shards.stats import stats_json

_BATCH: Final = 1024  # rows turned into Python values at once


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFiles:
    """A shard on scratch disk."""

    tar: Path | None  # None without a success
    index: Path
    stats: bytes
    rows: int
    successes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFacts:
    """What a shard is made of besides its rows."""

    retry_round: int
    extension: str  # of the stored images
    started_at: datetime
    ended_at: datetime


def write_shard(
    folder: Path, table: pa.Table, ends: Mapping[int, Ended], spill: ImageSpill, facts: ShardFacts
) -> ShardFiles:
    """Writes the rows of a unit that ended; `ends` tells how, by their place in `table`."""
    rows = _rows_by_key(table, ends, facts.retry_round)
    images = [(row, place) for row, place in rows if place is not None]
    tar = folder / "shard.tar" if images else None
    if tar is not None:
        with TarWriter(tar, checksums=True) as writer:
            for row, place in images:
                _add_sample(writer, row, spill.read(place), facts.extension)
    index = folder / "shard.parquet"
    listed = [row for row, _ in rows]
    pq.write_table(index_table(listed), index, compression="zstd", write_page_checksum=True)
    return ShardFiles(
        tar=tar,
        index=index,
        stats=stats_json(listed, facts.started_at, facts.ended_at),
        rows=len(rows),
        successes=len(images),
    )


def _rows_by_key(
    table: pa.Table, ends: Mapping[int, Ended], retry_round: int
) -> list[tuple[Row, Place | None]]:
    rows = []
    for start in range(0, len(table), _BATCH):
        for place, source in enumerate(table.slice(start, _BATCH).to_pylist(), start):
            end = ends.get(place)
            if end is not None:
                rows.append((index_row(source, end, retry_round), end.place))
    rows.sort(key=lambda pair: str(pair[0]["key"]))
    return rows


def _add_sample(writer: TarWriter, row: Row, image: bytes, extension: str) -> None:
    key = row["key"]
    placed = writer.add(f"{key}.{extension}", image)
    writer.add(f"{key}.txt", row["caption"].encode())
    writer.add(f"{key}.json", described(row))
    row["tar_offset"], row["tar_size"] = placed.offset, placed.size
