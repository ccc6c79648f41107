"""Candidates of units that were given up: one row each, like all others (U3, U13).

Their rows stand nowhere else once the steps are swept: a download unit that failed three times has no
shard, so its candidates are copied from the plan that named them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pairmill.dataset.funnel import DEAD_LETTER, PASSED, UNIT_FAILED, closing_rows
from pairmill.dataset.ledger_file import LedgerRow, stage_name
from pairmill.dataset.source import DatasetFiles
from pairmill.idarrays import hex_of, words_of
from pairmill.ledger.barriers import follow_ups
from pairmill.ledger.root import Load
from pairmill.reasons import RULES_VERSION
from pairmill.schemas import PROVENANCE, versioned
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef, UnitTask

_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("sample_id", pa.string()),
    pa.field("url_id", pa.string()),
    pa.field("url", pa.string()),
    pa.field("text", pa.string()),
    pa.field("outcome", pa.string()),  # dead_letter
    pa.field("reason", pa.string()),
    pa.field("rule_version", pa.string()),
    pa.field("detail", pa.string()),  # class and message of the last error
    pa.field("stage", pa.string()),  # whose unit failed
    pa.field("unit_id", pa.string()),
    pa.field("domain", pa.string()),
    pa.field("language", pa.string()),
    *PROVENANCE,
    pa.field("host", pa.string()),
    pa.field("language_confidence", pa.float32()),
    pa.field("language_detector", pa.string()),
    pa.field("licence", pa.string()),
    pa.field("consent", pa.string()),
]

DEAD_LETTERS: Final = pa.schema(_FIELDS)
"""Role `dead_letters`."""

_COPIED: Final = (
    "domain",
    "language",
    *(field.name for field in PROVENANCE),
    "host",
    "language_confidence",
    "language_detector",
    "licence",
    "consent",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadUnit:
    """A unit that failed three times, with its task and its last error."""

    task: UnitTask
    error: str


def dead_units(
    ledger: Iterable[LedgerRow], again: Iterable[LedgerRow], roots: Iterable[UnitTask], load: Load
) -> Iterator[DeadUnit]:
    """Yields the units that were given up, sorted by id.

    `ledger` and `again` are the same rows, read twice; `roots` are tasks that are expected from the
    start (those of a repair), all others follow from a counted unit.
    """
    errors = {
        (row.unit_id, row.input_digest): row.error for row in closing_rows(ledger) if row.kind == "failed"
    }
    found: dict[str, UnitTask] = {}
    if errors:
        for task in [*roots, *_followed(again, load)]:
            if (task.unit_id, task.input_digest) in errors:
                found[task.unit_id] = task
    for unit_id, task in sorted(found.items()):
        yield DeadUnit(task=task, error=errors[unit_id, task.input_digest])


def write_dead_letters(path: Path, units: Iterable[DeadUnit], source: DatasetFiles) -> int:
    """Writes the candidates of dead units and returns how many there were. Streams unit by unit."""
    written = 0
    with pq.ParquetWriter(path, versioned(DEAD_LETTERS), compression="zstd") as writer:
        for unit in units:
            table = _candidates(unit.task, source)
            if table is not None and len(table):
                writer.write_table(_marked(table, unit))
                written += len(table)
    return written


def _followed(rows: Iterable[LedgerRow], load: Load) -> Iterator[UnitTask]:
    for row in rows:
        if row.kind == "done":
            yield from follow_ups(row.record.done, load)


def _candidates(task: UnitTask, source: DatasetFiles) -> pa.Table | None:
    """Returns the rows that a unit held, with ids in hex and `text`; None where it held none."""
    match task.input.WhichOneof("input"):
        case "download":
            return _planned(task.input.download.rows, task.input.download.row_group, source)
        case "embed":
            return _downloaded(task.input.embed.shard_index, source)
        case "score":
            return _downloaded(task.input.score.shard_index, source)
        case _:
            return None


def _planned(ref: ObjectRef, row_group: int, source: DatasetFiles) -> pa.Table:
    columns = ["sample_id", "url_id", "url", "text", *_COPIED]
    with source.local(ref.key) as path, pq.ParquetFile(path) as file:
        table = file.read_row_group(row_group, columns=columns)
    for name in ("sample_id", "url_id"):
        ids = hex_of(words_of(table.column(name).combine_chunks()))
        table = table.set_column(table.schema.get_field_index(name), name, ids)
    return table


def _downloaded(ref: ObjectRef, source: DatasetFiles) -> pa.Table:
    columns = ["sample_id", "url_id", "url", "caption", "outcome", *_COPIED]
    with source.local(ref.key) as path, pq.ParquetFile(path) as file:
        table = file.read(columns=columns)
    passed = table.filter(pc.equal(table.column("outcome"), pa.scalar(PASSED)))
    return passed.rename_columns({"caption": "text"})


def _marked(table: pa.Table, unit: DeadUnit) -> pa.Table:
    marks = {
        "outcome": DEAD_LETTER,
        "reason": UNIT_FAILED,
        "rule_version": RULES_VERSION,
        "detail": unit.error,
        "stage": stage_name(unit.task.stage),
        "unit_id": unit.task.unit_id,
    }
    columns = {
        name: pa.repeat(marks[name], len(table)) if name in marks else table.column(name)
        for name in DEAD_LETTERS.names
    }
    return pa.table(columns).cast(DEAD_LETTERS)
