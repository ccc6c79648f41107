"""Writing a table's shard in one of four shapes. Its totals are written last: they say that it is whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.dataset.tar_writer import TarWriter
from pairmill_downloader.shards.index import Row, described
from pairmill_downloader.shards.spill import ImageSpill, Place

_GROUP_ROWS: Final = 500  # of a parquet file that holds images
_PART: Final = ".part"

Sample = tuple[Row, Place | None]
Sync = Callable[[int], None]


class ShardOutput:
    """Writes shards of one request into a folder. Thread-safe for different shards."""

    def __init__(self, out: Path, output_format: str, extension: str, *, sync: Sync = os.fsync) -> None:
        """`sync` returns once the bytes of a file descriptor are on the disk."""
        self._out = out
        self._format = output_format
        self._extension = extension
        self._sync = sync

    def totals(self, name: str) -> dict[str, Any] | None:
        """Returns the totals of a shard that is whole, or None."""
        try:
            found = json.loads((self._out / f"{name}_stats.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def write(
        self, name: str, samples: Sequence[Sample], schema: pa.Schema, spill: ImageSpill, stats: bytes
    ) -> None:
        """Writes a shard; what an earlier run left of it is replaced."""
        match self._format:
            case "webdataset":
                self._write_tar(name, samples, spill)
            case "files":
                self._write_files(name, samples, spill)
            case _:
                pass
        if self._format == "parquet":
            self._write_images(name, samples, schema, spill)
        else:
            self._write_rows(name, [row for row, _ in samples], schema)
        put_whole(self._out / f"{name}_stats.json", stats, self._sync)

    def _write_tar(self, name: str, samples: Sequence[Sample], spill: ImageSpill) -> None:
        part = self._out / f"{name}.tar{_PART}"
        with TarWriter(part) as writer:
            for row, place in samples:
                if place is None:
                    continue
                key = row["key"]
                placed = writer.add(f"{key}.{self._extension}", spill.read(place))
                row["tar_offset"], row["tar_size"] = placed.offset, placed.size
                for extension, data in _texts(row).items():
                    writer.add(f"{key}.{extension}", data)
        _finish(part, self._sync)

    def _write_files(self, name: str, samples: Sequence[Sample], spill: ImageSpill) -> None:
        folder = self._out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for row, place in samples:
            if place is not None:
                (folder / f"{row['key']}.{self._extension}").write_bytes(spill.read(place))
                for extension, data in _texts(row).items():
                    (folder / f"{row['key']}.{extension}").write_bytes(data)

    def _write_rows(self, name: str, rows: list[Row], schema: pa.Schema) -> None:
        part = self._out / f"{name}.parquet{_PART}"
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), part, compression="zstd")
        _finish(part, self._sync)

    def _write_images(
        self, name: str, samples: Sequence[Sample], schema: pa.Schema, spill: ImageSpill
    ) -> None:
        part = self._out / f"{name}.parquet{_PART}"
        schema = schema.append(pa.field(self._extension, pa.binary()))
        with pq.ParquetWriter(part, schema, compression="zstd") as writer:
            for start in range(0, len(samples), _GROUP_ROWS):
                rows = [
                    row | {self._extension: spill.read(place) if place else None}
                    for row, place in samples[start : start + _GROUP_ROWS]
                ]
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))
        _finish(part, self._sync)


def put_whole(path: Path, data: bytes, sync: Sync = os.fsync) -> None:
    """Writes a file that is there with all its bytes or not at all."""
    part = path.with_name(path.name + _PART)
    part.write_bytes(data)
    _finish(part, sync)


def _finish(part: Path, sync: Sync) -> None:
    """Gives a file its name once its bytes are on the disk: what is written later may rely on it."""
    with part.open("rb") as file:
        sync(file.fileno())
    part.replace(part.with_suffix(""))


def _texts(row: Row) -> dict[str, bytes]:
    caption = row["caption"]
    return ({"txt": caption.encode()} if caption is not None else {}) | {"json": described(row)}
