"""Which candidates of a dataset are worth another try, as rows that a download unit can start from (U16)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pairmill.dataset import roles
from pairmill.dataset.funnel import FAILED
from pairmill.dataset.lineage import lineage_of
from pairmill.dataset.manifest import FileEntry
from pairmill.dataset.reader import Dataset
from pairmill.idarrays import array_of, words_of_hex
from pairmill.ids import ID_BYTES, bucket_of
from pairmill.reasons import RETRIABLE_LATER, reason_name
from pairmill.schemas import DOWNLOAD_ROWS

RETRIABLE_REASONS: Final = frozenset(reason_name(reason) for reason in RETRIABLE_LATER)

_TEXT: Final = {roles.SHARD_INDEX: "caption", roles.DEAD_LETTERS: "text"}
_COUNTERS: Final = ("attempts_used", "retry_round", "retry_after_rounds")
_COMPUTED: Final = ("sample_id", "url_id", "text", "bucket", "last_reason", *_COUNTERS)
_COPIED: Final = tuple(name for name in DOWNLOAD_ROWS.names if name not in _COMPUTED)


def retriable_rows(
    dataset: Dataset, reasons: frozenset[str] = RETRIABLE_REASONS, *, failed: bool = True
) -> Iterator[pa.Table]:
    """Yields the candidates that failed for one of these reasons, and all dead letters.

    Without `failed` the dead letters alone. What a later job did counts, not what its base had; memory
    grows with the rows of repairs, not with those of the dataset.
    """
    lineage = lineage_of(dataset)
    files = sorted(dataset.files(roles.SHARD_INDEX, roles.DEAD_LETTERS), key=lineage.rank, reverse=True)
    replaced: pa.Array[Any] = pa.array([], pa.string())
    for rank, group in groupby(files, key=lineage.rank):
        own: list[pa.Array[Any]] = []
        for entry in group:
            for table in _batches(dataset, entry):
                if rank:
                    own.append(table.column("sample_id").combine_chunks())
                table = table.filter(pc.invert(pc.is_in(table.column("sample_id"), value_set=replaced)))
                chosen = _chosen(table, entry.role, reasons, failed)
                if len(chosen):
                    yield _download_rows(chosen, _TEXT[entry.role])
        replaced = pa.concat_arrays([replaced, *own])


def _batches(dataset: Dataset, entry: FileEntry) -> Iterator[pa.Table]:
    columns = [*_COPIED, "sample_id", "url_id", _TEXT[entry.role], "outcome", "reason"]
    with dataset.parquet(entry) as file:
        here = [name for name in columns if name in file.schema_arrow.names]  # columns are only added
    for batch in dataset.batches(entry, here):
        yield pa.Table.from_batches([batch])


def _chosen(table: pa.Table, role: str, reasons: frozenset[str], failed: bool) -> pa.Table:
    if role == roles.DEAD_LETTERS:
        return table
    if not failed:
        return table.slice(0, 0)
    wanted = pc.and_(
        pc.equal(table.column("outcome"), pa.scalar(FAILED)),
        pc.is_in(table.column("reason"), value_set=pa.array(sorted(reasons), pa.string())),
    )
    return table.filter(wanted)


def _download_rows(table: pa.Table, text: str) -> pa.Table:
    """Returns candidates as rows that nothing was tried with yet."""
    nothing = np.zeros(len(table), dtype=np.int32)
    domains = table.column("domain").to_pylist()
    columns: dict[str, Any] = {
        name: table.column(name)
        if name in table.column_names
        else pa.nulls(len(table), DOWNLOAD_ROWS.field(name).type)
        for name in _COPIED
    }
    for name in ("sample_id", "url_id"):
        columns[name] = array_of(words_of_hex(table.column(name).combine_chunks(), ID_BYTES))
    columns["text"] = table.column(text)
    columns["bucket"] = pa.array([bucket_of(domain or "") for domain in domains], pa.int32())
    columns |= {name: pa.array(nothing) for name in _COUNTERS}
    columns["last_reason"] = pa.nulls(len(table), pa.string())
    return pa.table({name: columns[name] for name in DOWNLOAD_ROWS.names}).cast(DOWNLOAD_ROWS)
