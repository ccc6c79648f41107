"""The rows of a dataset as U0 compares them, cut into ranges of ids on scratch disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pairmill.dataset import roles
from pairmill.dataset.funnel import FAILED
from pairmill.dataset.lineage import Lineage
from pairmill.dataset.manifest import FileEntry
from pairmill.dataset.reader import Dataset
from pairmill.dataset.verdicts import SCORE_NAMES
from pairmill.idarrays import (
    Words,
    array_of,
    ascending,
    partition_of,
    starts_of_groups,
    words_of,
    words_of_hex,
)
from pairmill.ids import ID_BYTES
from pairmill.spill import PartitionSpill
from pairmill.verdict import one_array

EXACT: Final = (
    "url",
    "text",
    "language",
    "page_url",
    "crawl",
    "wat_file",
    "warc_offset",
    "content_sha256",
    "md5",
    "phash",
    "original_width",
    "original_height",
    "cluster_id",
    "rule_version",
)
VERDICT: Final = ("outcome", "reason")

_NUMBERS: Final[dict[str, pa.DataType]] = {
    "warc_offset": pa.int64(),
    "original_width": pa.int32(),
    "original_height": pa.int32(),
}
_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("id", pa.binary(ID_BYTES)),
    pa.field("priority", pa.int16()),
    *(pa.field(name, _NUMBERS.get(name, pa.string())) for name in EXACT),
    *(pa.field(name, pa.string()) for name in VERDICT),
    *(pa.field(name, pa.float32()) for name in SCORE_NAMES),
]
U0_ROWS: Final = pa.schema(_FIELDS)

_DATA_PRIORITY: Final = 1000
_SAMPLE_NAMES: Final = {
    "url": "URL",
    "text": "TEXT",
    "language": "LANGUAGE",
    "original_width": "WIDTH",
    "original_height": "HEIGHT",
    "outcome": "verdict",
}
_INDEX_NAMES: Final = {"text": "caption"}
_EMPTY_IS_NULL: Final = ("reason", "language")


def rows_in_all(dataset: Dataset) -> int:
    """Returns the number of rows that a comparison reads of a dataset."""
    counted = (roles.SAMPLES, roles.SHARD_INDEX, roles.DEAD_LETTERS)
    return sum(entry.rows for entry in dataset.files(*counted))


def spill_rows(dataset: Dataset, lineage: Lineage, folder: Path, partitions: int) -> PartitionSpill:
    """Returns the rows of a dataset by range of ids: `data/`, what failed before, dead letters."""
    spill = PartitionSpill(folder, U0_ROWS)
    for entry in dataset.files(roles.SAMPLES):
        for table in _tables(dataset, entry, _SAMPLE_NAMES, [*EXACT, *VERDICT, *SCORE_NAMES]):
            _add(spill, table, _DATA_PRIORITY, partitions)
    plain = [name for name in EXACT if name != "cluster_id"]
    for entry in dataset.files(roles.SHARD_INDEX):
        for table in _tables(dataset, entry, _INDEX_NAMES, [*plain, *VERDICT]):
            failed = table.filter(pc.equal(table.column("outcome"), pa.scalar(FAILED)))
            _add(spill, failed, lineage.rank(entry) * 2 + 1, partitions)
    fetched = ("content_sha256", "md5", "phash", "original_width", "original_height", "cluster_id")
    plain = [name for name in EXACT if name not in fetched]
    for entry in dataset.files(roles.DEAD_LETTERS):
        for table in _tables(dataset, entry, {}, [*plain, *VERDICT]):
            _add(spill, table, lineage.rank(entry) * 2, partitions)
    return spill


def one_row_per_id(table: pa.Table) -> tuple[Words, pa.Table]:
    """Returns ids, ascending, with the row that stands for each: a repair's before its base's (U16)."""
    ids = words_of(one_array(table, "id"))
    priority = table.column("priority").to_numpy()
    order = ascending(ids, -priority.astype(np.int64))
    first = order[starts_of_groups(ids[order])]
    return ids[first], table.take(first)


def _tables(
    dataset: Dataset, entry: FileEntry, names: dict[str, str], columns: list[str]
) -> Iterator[pa.Table]:
    """Yields the rows of a file with U0's names for its columns, and the ids of the rows."""
    in_file = ["sample_id", *(names.get(name, name) for name in columns)]
    for batch in dataset.batches(entry, in_file):
        table = pa.Table.from_batches([batch]).select(in_file)
        yield table.rename_columns(["sample_id", *columns])


def _add(spill: PartitionSpill, table: pa.Table, priority: int, partitions: int) -> None:
    ids = words_of_hex(one_array(table, "sample_id"), ID_BYTES)
    columns: dict[str, Any] = {
        "id": array_of(ids),
        "priority": pa.array(np.full(len(ids), priority, np.int16)),
    }
    for field in U0_ROWS:
        if field.name in columns:
            continue
        if field.name not in table.schema.names:
            columns[field.name] = pa.nulls(len(ids), field.type)
        elif field.name in _EMPTY_IS_NULL:
            columns[field.name] = _null_for_empty(one_array(table, field.name))
        else:
            columns[field.name] = one_array(table, field.name).cast(field.type)
    spill.add(pa.table(columns, schema=U0_ROWS), partition_of(ids, partitions))


def _null_for_empty(array: pa.Array[Any]) -> pa.Array[Any]:
    return pa.array([text or None for text in array.to_pylist()], pa.string())
