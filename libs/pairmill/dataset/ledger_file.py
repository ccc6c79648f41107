"""The ledger as parquet: what the walk counted, in ledger order, so that it can be walked again.

One row per counted `UnitDone` and for a counted `Cancel`; for a unit that was given up all its
failures, because it takes three to close it (U3).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from google.protobuf.message import DecodeError

from pairmill.errors import CorruptObjectError
from pairmill.ledger.barriers import references
from pairmill.ledger.root import Load
from pairmill.ledger.walk import Closing, Walk
from pairmill.reasons import outcome_name, reason_name
from pairmill.schemas import TIME, versioned
from pairmill_protos.unit.v1.unit_pb2 import LedgerRecord, ObjectRef, Stage, UnitDone

_COUNT: Final = pa.struct(
    [pa.field("outcome", pa.string()), pa.field("reason", pa.string()), pa.field("rows", pa.int64())]
)
_OUTPUT: Final = pa.struct(
    [
        pa.field("key", pa.string()),
        pa.field("bytes", pa.int64()),
        pa.field("sha256", pa.string()),
        pa.field("rows", pa.int64()),
        pa.field("role", pa.string()),
    ]
)

_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("seq", pa.int64()),  # place in the ledger; ascending, with gaps where records do not count
    pa.field("unit_id", pa.string()),
    pa.field("stage", pa.string()),
    pa.field("kind", pa.string()),  # done, failed, cancel
    pa.field("attempt", pa.string()),
    pa.field("input_digest", pa.binary()),
    pa.field("rows_in", pa.int64()),
    pa.field("counts", pa.list_(_COUNT)),
    pa.field("outputs", pa.list_(_OUTPUT)),
    pa.field("error", pa.string()),  # of a failure: class and message
    pa.field("started_at", TIME),
    pa.field("finished_at", TIME),
    pa.field("record", pa.binary()),  # the serialised LedgerRecord
]

LEDGER_FILE: Final = pa.schema(_FIELDS)
"""Role `ledger`."""

_BATCH: Final = 256  # a row holds a whole record, as bytes and as columns
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCount:
    """Rows of a unit that ended alike."""

    outcome: str
    reason: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerOutput:
    """An object that a unit wrote."""

    key: str
    bytes: int
    sha256: str  # hex
    rows: int
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """One row of the ledger file."""

    seq: int
    unit_id: str  # empty for the job's cancel
    stage: str  # `crawl`, `plan`, …; empty for the job's cancel
    kind: str
    attempt: str
    input_digest: bytes
    rows_in: int
    counts: tuple[LedgerCount, ...]
    outputs: tuple[LedgerOutput, ...]
    error: str
    started_at: datetime | None
    finished_at: datetime | None
    record: LedgerRecord


def is_for_file(walk: Walk, sequence: int, record: LedgerRecord) -> bool:
    """Returns whether a record belongs into the ledger file of a job that ended.

    `walk` has been fed the whole ledger. The failures of a unit that was given up belong up to the
    one that closed it.
    """
    if record.WhichOneof("record") != "failed":
        return walk.is_counted(sequence, record)
    entry = walk.entry(record.failed.unit_id)
    return (
        entry is not None
        and entry.digest == record.failed.input_digest
        and entry.closing is Closing.FAILED
        and sequence <= entry.sequence
    )


def write_ledger(path: Path, records: Iterable[tuple[int, LedgerRecord]], load: Load) -> int:
    """Writes (sequence, record) pairs, given in ledger order, and returns how many there were.

    `load` returns the bytes of objects that list a unit's outputs. Streams: the records are never all
    in memory. The same records give the same bytes.
    """
    source, written = iter(records), 0
    with pq.ParquetWriter(path, versioned(LEDGER_FILE), compression="zstd") as writer:
        while batch := list(islice(source, _BATCH)):
            rows = [_row(sequence, record, load) for sequence, record in batch]
            writer.write_table(pa.Table.from_pylist(rows, schema=LEDGER_FILE))
            written += len(batch)
    return written


def read_ledger(path: Path) -> Iterator[LedgerRow]:
    """Yields the rows of a ledger file; raises CorruptObjectError if it cannot be read."""
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH, columns=LEDGER_FILE.names):
                # Times as numbers: pyarrow would import pandas for them where that is installed.
                times = {
                    name: batch.column(name).cast(pa.int64()).to_pylist()
                    for name in ("started_at", "finished_at")
                }
                for place, row in enumerate(batch.drop_columns(list(times)).to_pylist()):
                    yield _parse(row, *(values[place] for values in times.values()))
    except (pa.ArrowException, OSError, DecodeError, KeyError, TypeError) as error:
        raise CorruptObjectError(f"{path.name} is no ledger file: {error}") from error


def listed_objects(record: LedgerRecord) -> Iterator[ObjectRef]:
    """Yields the objects that a record's long lists stand in; a walk reads them (U19)."""
    if record.WhichOneof("record") == "done":
        for lists in (record.done.outputs, record.done.follow_ups):
            if lists.HasField("listed"):
                yield lists.listed


def stage_name(stage: Stage.ValueType) -> str:
    """Returns a stage as written to files, such as `download`; `stage_<n>` if unknown (U17)."""
    known = Stage.DESCRIPTOR.values_by_number.get(stage)
    return known.name.removeprefix("STAGE_").lower() if known else f"stage_{stage}"


def _row(sequence: int, record: LedgerRecord, load: Load) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(LEDGER_FILE.names)
    row |= {"seq": sequence, "record": record.SerializeToString(deterministic=True)}
    row |= {"kind": record.WhichOneof("record"), "unit_id": "", "stage": "", "attempt": ""}
    match record.WhichOneof("record"):
        case "done":
            row |= _identity(record.done) | _effect(record.done, load)
        case "failed":
            failed = record.failed
            row |= _identity(failed)
            row |= {"rows_in": failed.rows, "error": f"{failed.error_class}: {failed.error}"}
    return row


def _identity(record: Any) -> dict[str, Any]:
    return {
        "unit_id": record.unit_id,
        "stage": stage_name(record.stage),
        "attempt": record.attempt,
        "input_digest": record.input_digest,
    }


def _effect(done: UnitDone, load: Load) -> dict[str, Any]:
    return {
        "rows_in": done.rows_in,
        "counts": [
            {"outcome": outcome_name(count.outcome), "reason": reason_name(count.reason), "rows": count.rows}
            for count in done.counts
        ],
        "outputs": [
            {
                "key": ref.key,
                "bytes": ref.bytes,
                "sha256": ref.sha256.hex(),
                "rows": ref.rows,
                "role": ref.role,
            }
            for ref in references(done.outputs, load)
        ],
        "started_at": _time(done, "started_at"),
        "finished_at": _time(done, "finished_at"),
    }


def _time(done: UnitDone, name: str) -> int | None:
    if not done.HasField(name):  # type: ignore[arg-type]  # one of two literal names
        return None
    microseconds: int = getattr(done, name).ToMicroseconds()
    return microseconds


def _parse(row: dict[str, Any], started_at: int | None, finished_at: int | None) -> LedgerRow:
    return LedgerRow(
        seq=row["seq"],
        unit_id=row["unit_id"] or "",
        stage=row["stage"] or "",
        kind=row["kind"],
        attempt=row["attempt"] or "",
        input_digest=row["input_digest"] or b"",
        rows_in=row["rows_in"] or 0,
        counts=tuple(LedgerCount(**count) for count in row["counts"] or ()),
        outputs=tuple(LedgerOutput(**output) for output in row["outputs"] or ()),
        error=row["error"] or "",
        started_at=_moment(started_at),
        finished_at=_moment(finished_at),
        record=LedgerRecord.FromString(row["record"]),
    )


def _moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)
