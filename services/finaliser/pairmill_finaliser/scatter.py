"""Phase 1: a block of files to rows by id range and contents by prefix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pairmill.idarrays import Flags, Words, array_of, ascending, find, words_of, words_of_hex
from pairmill.ids import ID_BYTES
from pairmill.ledger.phases import CONTENTS_ROLE, ROWS_ROLE, is_refilter
from pairmill.verdict import one_array
from pairmill_finaliser.keys import by_content, by_id_range
from pairmill_finaliser.rows import ROWS
from pairmill_finaliser.step import Step
from pairmill_finaliser.steps import SCHEMAS

_CONTENT_BYTES = 32
_PHASH_BYTES = 8


def scatter(step: Step) -> int:
    """Cuts the rows of a block; returns how many take part."""
    replaced = replacing_ids(step)
    taking_part = 0
    for table in step.read_rows(ROWS.names):
        if len(replaced):
            table = table.filter(pa.array(~is_among(ids_of(table), replaced)))
        if not is_refilter(step.spec):
            table = without_clusters(table)  # they are made anew over the whole set
            contents = contents_of(table)
            step.sink(CONTENTS_ROLE).add(contents, _content_partitions(contents, step.partitions))
        step.sink(ROWS_ROLE).add(table, by_id_range(ids_of(table), step.partitions))
        taking_part += len(table)
        step.advance(len(table))
    return taking_part


def replacing_ids(step: Step) -> Words:
    """Returns the ids of the rows that replace those of a base, ascending (U16); 16 bytes each."""
    found = [ids_of(table) for table in step.read_rows(["sample_id"], step.replacing)]
    ids = np.concatenate([np.empty((0, 2), dtype=np.uint64), *found])
    return ids[ascending(ids)]


def is_among(ids: Words, ordered: Words) -> Flags:
    """Returns which ids are among the ordered ones."""
    return find(ordered, ids) >= 0


def contents_of(table: pa.Table) -> pa.Table:
    """Returns (content, perceptual hash, id) of the rows that have a content."""
    table = table.select(["content_sha256", "phash", "sample_id"])
    table = table.filter(pc.is_valid(table.column("content_sha256")))
    return pa.table(
        [
            array_of(words_of_hex(one_array(table, "content_sha256"), _CONTENT_BYTES)),
            perceptual_hashes(one_array(table, "phash")),
            one_array(table, "sample_id"),
        ],
        schema=SCHEMAS[CONTENTS_ROLE],
    )


def perceptual_hashes(texts: pa.Array[Any]) -> pa.Array[Any]:
    """Returns 16 hex digits as numbers; null and empty as null."""
    known = pc.not_equal(texts, pa.scalar("")).fill_null(False)
    filled = pc.if_else(known, texts, "0" * 2 * _PHASH_BYTES)
    numbers = words_of_hex(filled, _PHASH_BYTES)[:, 0]
    return pa.array(numbers, mask=~known.to_numpy(zero_copy_only=False))


def without_clusters(table: pa.Table) -> pa.Table:
    """Returns rows whose cluster is not known."""
    place = table.schema.get_field_index("cluster_id")
    return table.set_column(place, ROWS.field("cluster_id"), pa.nulls(len(table), pa.binary(ID_BYTES)))


def ids_of(table: pa.Table, name: str = "sample_id") -> Words:
    """Returns a column of ids as words."""
    return words_of(one_array(table, name))


def _content_partitions(contents: pa.Table, partitions: int) -> Any:
    return by_content(ids_of(contents, "content"), partitions)
