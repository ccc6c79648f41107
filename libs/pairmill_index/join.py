"""The second pass of a build: embedded samples and their rows of `data/`, joined range by range."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pairmill.idarrays import Words, array_of, ascending, find, first_per_key, words_of, words_of_hex
from pairmill.ids import ID_BYTES
from pairmill_index.columns import SAMPLES, WORDS
from pairmill_index.words import Vocabulary


def joined(embedded: pa.Table, data: pa.Table) -> pa.Table:
    """Returns the samples that have embeddings and a row in `data/`, in order of id, each once.

    Of several embeddings of one sample that of the latest job counts.
    """
    embedded_ids = words_of(_whole(embedded["id"]))
    ranks = embedded["rank"].to_numpy()
    latest = np.flatnonzero(first_per_key(embedded_ids, -ranks))
    latest = latest[ascending(embedded_ids[latest])]
    data_ids = words_of(_whole(data["id"]))
    order = ascending(data_ids)
    places = find(data_ids[order], embedded_ids[latest])
    found = places >= 0
    left = embedded.take(latest[found]).drop_columns(["rank"])
    right = data.take(order[places[found]]).drop_columns(["id"])
    for name in right.column_names:
        left = left.append_column(name, right[name])
    return left


def without_ids(rows: pa.Table, ids: Words) -> pa.Table:
    """Returns the rows whose id is not among these, which are sorted."""
    if not len(ids) or not len(rows):
        return rows
    return rows.filter(pa.array(find(ids, words_of(_whole(rows["id"]))) < 0))


def aligned_parts(
    ranges: int, *sides: Iterator[tuple[int, pa.Table]]
) -> Iterator[tuple[pa.Table | None, ...]]:
    """Yields, for each range of ids in ascending order, what each side has of it."""
    heads = [next(side, None) for side in sides]
    for number in range(ranges):
        found: list[pa.Table | None] = []
        for place, side in enumerate(sides):
            head = heads[place]
            is_here = head is not None and head[0] == number
            found.append(head[1] if head is not None and is_here else None)
            if is_here:
                heads[place] = next(side, None)
        yield tuple(found)


def sample_columns(rows: pa.Table, words: Vocabulary) -> pa.Table:
    """Returns joined rows as a table of samples."""
    plain = {
        "sample_id": rows["id"],
        "url": _filled(rows["URL"], ""),
        "text": _filled(rows["TEXT"], ""),
        "similarity": rows["similarity"],
        "unsafe_score": rows["punsafe"],
        "watermark_score": rows["pwatermark"],
        "aesthetic_score": rows["AESTHETIC_SCORE"],
        "toxicity": rows["toxicity"],
        "width": _filled(rows["WIDTH"], 0),
        "height": _filled(rows["HEIGHT"], 0),
        "phash": _numbers_of_hex(_whole(rows["phash"])),
        "cluster_id": _ids_of_hex(_whole(rows["cluster_id"]), _whole(rows["id"])),
        "md5": _filled(rows["md5"], ""),
        "fetched_at": rows["fetched_at"],
        "tar_offset": rows["tar_offset"],
        "tar_size": rows["tar_size"],
        "data_row": rows["data_row"],
    }
    encoded = {name: words.encode(name, rows[source]) for name, source in WORDS.items()}
    columns: dict[str, Any] = {**plain, **encoded}
    return pa.table([columns[name] for name in SAMPLES.names], schema=SAMPLES)


def _numbers_of_hex(column: pa.Array[Any]) -> pa.Array[Any]:
    """Returns 64-bit numbers of 16 hex digits; null for anything else."""
    known = _matches(column, "^[0-9a-f]{16}$")
    digits = pc.if_else(pa.array(known), column, pa.scalar("0" * 16))
    return pa.array(words_of_hex(digits, 8)[:, 0], mask=~known)


def _ids_of_hex(column: pa.Array[Any], otherwise: pa.Array[Any]) -> pa.Array[Any]:
    """Returns 16 bytes of 32 hex digits; where there are none, the value of the other column."""
    known = _matches(column, "^[0-9a-f]{32}$")
    digits = pc.if_else(pa.array(known), column, pa.scalar("0" * 32))
    ids = words_of_hex(digits, ID_BYTES)
    ids[~known] = words_of(otherwise)[~known]
    return array_of(ids)


def _matches(column: pa.Array[Any], pattern: str) -> npt.NDArray[np.bool_]:
    found: Any = pc.match_substring_regex(_filled(column, ""), pattern)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.bool_)


def _filled(column: Any, value: str | int) -> Any:
    return column.fill_null(value)


def _whole(column: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    return column.combine_chunks()
