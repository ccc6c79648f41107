"""Reads what the plan has to know of every link of a range."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill.idarrays import Words, words_of
from pairmill.placement.links import Links
from pairmill_planner.candidates import Candidates

_Number = TypeVar("_Number", bound=np.generic)

KEY_COLUMNS: Final = ("sample_id", "url_id", "domain", "wat_index", "wat_offset", "link_index")


def read_links(candidates: Candidates) -> Links:
    """Returns all links of the range."""
    codes: dict[str, int] = {}
    tables: list[pa.Table] = []
    domains: list[npt.NDArray[np.int32]] = []
    for batch in candidates.batches(KEY_COLUMNS):
        tables.append(batch.table.drop_columns(["domain"]))
        domains.append(_encode(batch.table.column("domain"), codes))
    return Links(
        url=_words(tables, "url_id"),
        sample=_words(tables, "sample_id"),
        wat_index=_numbers(tables, "wat_index", np.int32),
        wat_offset=_numbers(tables, "wat_offset", np.int64),
        link_index=_numbers(tables, "link_index", np.int32),
        domain=np.concatenate([np.empty(0, dtype=np.int32), *domains]),
        domains=tuple(codes),
    )


def _encode(column: pa.ChunkedArray[Any], codes: dict[str, int]) -> npt.NDArray[np.int32]:
    """Returns the numbers of a column's domains; new ones are added."""
    encoded = column.combine_chunks().dictionary_encode()
    mine = [codes.setdefault(name or "", len(codes)) for name in encoded.dictionary.to_pylist()]
    places = encoded.indices.to_numpy(zero_copy_only=False)
    return np.asarray(np.array(mine, dtype=np.int32)[places], dtype=np.int32)


def _words(tables: list[pa.Table], name: str) -> Words:
    chunks = [words_of(chunk) for table in tables for chunk in table.column(name).chunks]
    return np.concatenate([np.empty((0, 2), dtype=np.uint64), *chunks])


def _numbers(tables: list[pa.Table], name: str, kind: type[_Number]) -> npt.NDArray[_Number]:
    return np.concatenate([np.empty(0, dtype=kind), *(table.column(name).to_numpy() for table in tables)])
