"""Writing a segment's columns, ids and vectors into a folder, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from pairmill.idarrays import words_of
from pairmill_index.columns import SAMPLES
from pairmill_index.layout import IDS, ROWS, VECTORS
from pairmill_index.manifest import Modality
from pairmill_index.npy import NpyWriter

BATCH_ROWS: Final = 1 << 20
"""Rows of a record batch: a smaller segment is one batch, so that its columns are mapped in one piece."""
_LOW_WORDS: Final = "low-words.raw"


class TableWriter:
    """Writes a table of samples in batches of equal size. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        self._file = pa.ipc.new_file(str(path), SAMPLES)
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def add(self, samples: pa.Table) -> None:
        """Takes rows that follow those taken before."""
        self._waiting.append(samples)
        self._rows += len(samples)
        while self._rows >= BATCH_ROWS:
            self._write(BATCH_ROWS)

    def close(self) -> None:
        """Ends the file."""
        if self._rows:
            self._write(self._rows)
        self._file.close()

    def _write(self, rows: int) -> None:
        table = pa.concat_tables(self._waiting)
        self._file.write_table(table.slice(0, rows).combine_chunks())
        self._waiting = [table.slice(rows)]
        self._rows = len(table) - rows


class SegmentWriter:
    """Takes a segment's rows in order of id. Not thread-safe."""

    def __init__(self, folder: Path, dimensions: int) -> None:
        """`folder` is made; the files in it are named as in the segment (`pairmill_index.layout`)."""
        folder.mkdir(parents=True)
        self.folder = folder
        self.rows = 0
        self._dimensions = dimensions
        self._table = TableWriter(folder / ROWS)
        self._high_words = NpyWriter(folder / IDS, "<u8")
        self._low_words = (folder / _LOW_WORDS).open("wb")
        self._vectors = {
            modality: NpyWriter(folder / VECTORS.format(modality), "<f2") for modality in Modality
        }

    def add(self, samples: pa.Table, vectors: Mapping[Modality, pa.ChunkedArray[Any]]) -> None:
        """Takes rows whose ids follow those taken before; vectors are `binary(2 * dimensions)`."""
        self.rows += len(samples)
        self._table.add(samples)
        ids = words_of(samples["sample_id"].combine_chunks()).astype("<u8")
        self._high_words.write(ids[:, 0].tobytes())
        self._low_words.write(ids[:, 1].tobytes())
        for modality, column in vectors.items():
            for chunk in column.chunks:
                self._vectors[modality].write(_bytes_of(chunk))

    def close(self) -> None:
        """Ends the files."""
        self._table.close()
        self._low_words.close()
        self._high_words.append_file(self.folder / _LOW_WORDS)
        self._high_words.close((2, self.rows))
        (self.folder / _LOW_WORDS).unlink()
        for writer in self._vectors.values():
            writer.close((self.rows, self._dimensions))

    def paths(self) -> list[Path]:
        """Returns the files written, in order of their names."""
        return sorted(self.folder.iterdir())


def _bytes_of(chunk: pa.Array[Any]) -> memoryview:
    """Returns the values of a fixed-size binary array one behind the other."""
    width = chunk.type.byte_width
    data = chunk.buffers()[1]
    return (
        memoryview(data)[chunk.offset * width : (chunk.offset + len(chunk)) * width]
        if data
        else memoryview(b"")
    )
