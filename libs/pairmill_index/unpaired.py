"""What an index cannot take in for want of its other half: vectors without a row, and rows without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pairmill.idarrays import Words, ascending, find, starts_of_groups, words_of
from pairmill.ids import ID_BYTES
from pairmill_index.arrays import Flags
from pairmill_index.ids import find_rows
from pairmill_index.manifest import Unpaired

FAILED: Final = "failed"
"""Verdict of rows of `data/` that have no embedding for a reason that they state."""

_FIELDS: Final[list[pa.Field[Any]]] = [pa.field("id", pa.binary(ID_BYTES)), pa.field("verdict", pa.string())]
ROWS: Final = pa.schema(_FIELDS)
"""What is kept of a row of `data/` that is only counted."""


class PairCounter:
    """Counts range by range of ids. Not thread-safe."""

    def __init__(self) -> None:
        self._embeddings = 0
        self._rows = 0

    def add(
        self, embedded: pa.Table | None, data: Sequence[pa.Table | None], indexed: Sequence[Words] = ()
    ) -> None:
        """Takes a range: embedded samples, rows of `data/`, and the ids that are in segments already."""
        rows = pa.concat_tables([ROWS.empty_table(), *(one.select(ROWS.names) for one in data if one)])
        vectors, all_rows = _ids(embedded), _ids(rows)
        self._embeddings += int(np.count_nonzero(find(all_rows, vectors) < 0))
        wanted = _ids(rows.filter(pa.array(_is_expected(rows))))
        missing = find(vectors, wanted) < 0
        for ids in indexed:
            missing &= find_rows(ids, wanted) < 0
        self._rows += int(np.count_nonzero(missing))

    def counted(self, earlier: int = 0) -> Unpaired:
        """Returns what was counted; `earlier` embeddings are known to have no row besides."""
        return Unpaired(embeddings=self._embeddings + earlier, rows=self._rows)


def _ids(rows: pa.Table | None) -> Words:
    """Returns the ids of rows in order, each once."""
    if rows is None or not len(rows):
        return np.empty((0, 2), dtype=np.uint64)
    ids = words_of(rows["id"].combine_chunks())
    ids = ids[ascending(ids)]
    return ids[starts_of_groups(ids)]


def _is_expected(rows: pa.Table) -> Flags:
    """Returns which rows are of samples that should have an embedding."""
    has_failed: Any = pc.equal(rows["verdict"], pa.scalar(FAILED)).fill_null(False)
    return ~np.asarray(has_failed.to_numpy(), dtype=np.bool_)
