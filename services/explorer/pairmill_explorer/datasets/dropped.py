"""Candidates that became no sample that can be searched: by reason, with their address and text.

They are read where they ended, file by file: in the shards' indices, among dead letters, and in `data/` where
they were fetched but got no embedding. A page ends where it is full, or where enough was read for one
request: then it is short, and goes on behind its cursor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from pairmill.dataset import roles
from pairmill.dataset.funnel import CANCELLED, DATASET, DEAD_LETTER, FAILED
from pairmill.dataset.lineage import lineage_of
from pairmill.dataset.manifest import FileEntry
from pairmill.dataset.reader import Dataset
from pairmill.idarrays import words_of_hex
from pairmill.ids import ID_BYTES
from pairmill.reasons import parse_outcome, parse_reason
from pairmill.store.port import ObjectStore
from pairmill_explorer.datasets.parquet import ParquetRows
from pairmill_explorer.datasets.rerun import NOTHING, Rerun, rerun_of
from pairmill_explorer.errors import BadRequestError
from pairmill_protos.common.v1.outcome_pb2 import Count, Reason
from pairmill_protos.explorer.v1.search_service_pb2 import Dropped

MOST_FILES: Final = 64  # read for one page
FORM: Final = re.compile(r"[0-9]{1,9}\.[0-9]{1,18}")
"""What positions look like in cursors."""
_ENDS: Final = (FAILED, DEAD_LETTER, CANCELLED)
_UNKNOWN_REASON: Final = "reason_"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """How a role's files name what is shown."""

    url: str
    text: str
    ending: str  # column with the outcome
    ended: str  # value of it that counts


_NAMES: Final = {
    roles.SHARD_INDEX: _Names(url="url", text="caption", ending="outcome", ended=FAILED),
    roles.DEAD_LETTERS: _Names(url="url", text="text", ending="outcome", ended=DEAD_LETTER),
    roles.SAMPLES: _Names(url="URL", text="TEXT", ending="verdict", ended=FAILED),
}


@dataclass(frozen=True, slots=True)
class Position:
    """The first row that a page may show."""

    file: int
    row: int

    def __str__(self) -> str:
        """Returns it as text for a cursor."""
        return f"{self.file}.{self.row}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Returns the position of FORM that a cursor holds; the start for none."""
        file, _, row = text.partition(".")
        return cls(int(file or 0), int(row or 0))


@dataclass(frozen=True, slots=True)
class _Source:
    entry: FileEntry
    rank: int  # of the job that wrote it


class DroppedRows:
    """What was dropped from one version of a dataset. Thread-safe."""

    def __init__(self, dataset: Dataset, store: ObjectStore, files: ParquetRows, scratch: Path) -> None:
        """Reads which files there are, and which rows later jobs ran again; these go to `scratch`."""
        self._store = store
        self._files = files
        lineage = lineage_of(dataset)
        self._sources = [_Source(entry, lineage.rank(entry)) for entry in dataset.files(*_NAMES)]
        self._rerun = self._rerun_rows(scratch)
        self.counts = list(_counts(dataset))

    def page(self, reason: str, start: Position, size: int) -> tuple[list[Dropped], Position | None]:
        """Returns rows from a position on, of one reason or of all, and the position behind them."""
        found: list[Dropped] = []
        for number in range(start.file, len(self._sources)):
            if number >= start.file + MOST_FILES:
                return found, Position(number, 0)
            first = start.row if number == start.file else 0
            for row, dropped in self._rows(self._sources[number], reason, first):
                if len(found) == size:
                    return found, Position(number, row)
                found.append(dropped)
        return found, None

    def _rows(self, source: _Source, reason: str, first: int) -> Iterator[tuple[int, Dropped]]:
        """Yields a file's rows with their numbers."""
        names = _NAMES[source.entry.role]
        columns = ["sample_id", names.url, names.text, names.ending, "reason", "detail", "page_url"]
        start = 0
        for batch in self._files.batches(self._store, source.entry.path, columns):
            numbered = pa.Table.from_batches([batch]).append_column(
                "row", pa.array(range(start, start + len(batch)), pa.int64())
            )
            start += len(batch)
            wanted = (pc.field(names.ending) == names.ended) & (pc.field("row") >= first)
            if reason:
                wanted &= pc.field("reason") == reason
            for row in self._last_run(numbered.filter(wanted), source).to_pylist():
                yield row["row"], _dropped(row, names)

    def _last_run(self, rows: pa.Table, source: _Source) -> pa.Table:
        """Returns the rows of a file that no later job ran again; of `data/` each version writes its own."""
        if source.entry.role == roles.SAMPLES or not len(self._rerun.ids):
            return rows
        ids = words_of_hex(rows["sample_id"].combine_chunks(), ID_BYTES)
        return rows.filter(pa.array(~self._rerun.after(source.rank, ids)))

    def _rerun_rows(self, scratch: Path) -> Rerun:
        later = [one for one in self._sources if one.rank and one.entry.role != roles.SAMPLES]
        if not later:
            return NOTHING
        batches = (
            (batch, source.rank)
            for source in later
            for batch in self._files.batches(self._store, source.entry.path, ["sample_id"])
        )
        return rerun_of(batches, sum(source.entry.rows for source in later), scratch)


def checked_reason(name: str) -> str:
    """Returns a reason; raises BadRequestError for one that there is not."""
    try:
        parse_reason(name)
    except ValueError as error:
        if not name.startswith(_UNKNOWN_REASON):
            raise BadRequestError(
                "reason", f"{name[:80]!r} is no reason; docs/reasons.md lists them"
            ) from error
    return name


def _counts(dataset: Dataset) -> Iterator[Count]:
    """Yields how many candidates ended without becoming samples, by reason, the most first."""
    rows = [row for row in dataset.manifest.funnel if row.stage == DATASET and row.outcome in _ENDS]
    for row in sorted(rows, key=lambda row: (-row.count, row.outcome, row.reason)):
        yield Count(outcome=parse_outcome(row.outcome), reason=_reason(row.reason), rows=row.count)


def _reason(name: str) -> Reason.ValueType:
    """Returns the number of a reason, also of one that this version does not know."""
    number = name.removeprefix(_UNKNOWN_REASON)
    if name.startswith(_UNKNOWN_REASON) and number.isdigit():
        return Reason.ValueType(int(number))
    return parse_reason(name)


def _dropped(row: dict[str, Any], names: _Names) -> Dropped:
    return Dropped(
        sample_id=row["sample_id"],
        url=row[names.url],
        text=row[names.text],
        reason=row["reason"],
        detail=row.get("detail") or "",
        page_url=row.get("page_url") or "",
    )
