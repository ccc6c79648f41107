"""Joined rows that wait on scratch disk until it is known which texts occur in their columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from pairmill_index.columns import WORDS
from pairmill_index.words import Vocabulary


class HeldRows:
    """Rows of one bucket in order of id, with a vocabulary of their own. Not thread-safe."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.words = Vocabulary(tuple(WORDS))
        self._path = path
        self._file = pa.ipc.new_file(str(path), schema)

    def add(self, rows: pa.Table) -> None:
        """Takes rows that follow those taken before."""
        self.words.add_columns(rows)
        self._file.write_table(rows)

    def close(self) -> None:
        """Ends the file."""
        self._file.close()

    def batches(self) -> Iterator[pa.Table]:
        """Yields the rows again, after `close`."""
        opened = pa.ipc.open_file(pa.memory_map(str(self._path)))
        for number in range(opened.num_record_batches):
            yield pa.Table.from_batches([opened.get_batch(number)])
