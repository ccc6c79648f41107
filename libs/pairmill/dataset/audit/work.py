"""What the checks of an audit share, and the one pass over a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.dataset.audit.findings import Findings
from pairmill.dataset.funnel import Counts
from pairmill.dataset.lineage import Lineage
from pairmill.dataset.manifest import FileEntry
from pairmill.dataset.reader import BATCH_ROWS, Dataset
from pairmill.dataset.recount import Recount
from pairmill.dataset.source import UNREADABLE
from pairmill.errors import ObjectMissingError
from pairmill_protos.job.v1.job_pb2 import JobSpec

_CHUNK: Final = 2**20

Progress: TypeAlias = Callable[[int, int], None]
"""Told (bytes read, bytes in all) now and then."""

Inspect: TypeAlias = Callable[[Path], None]
InspectParquet: TypeAlias = Callable[[pq.ParquetFile], None]


@dataclass(slots=True, kw_only=True)
class Work:
    """An audit under way."""

    dataset: Dataset
    spec: JobSpec
    lineage: Lineage
    findings: Findings
    recount: Recount
    progress: Progress
    bytes_in_all: int
    files: int = 0
    bytes_read: int = 0
    tallies: Mapping[str, Counts] = field(default_factory=dict)  # by file: what the ledger counted in it

    def check(self, entry: FileEntry, inspect: Inspect | None = None) -> None:
        """Compares a file's size and checksum with the manifest's, then has its contents inspected.

        A file with another checksum is inspected all the same, so that what is wrong in it can be said.
        """
        self.files += 1
        try:
            with self.dataset.source.local(entry.path) as path:
                self._compare_size(entry, path.stat().st_size)
                self._compare_checksum(entry, path)
                if inspect is not None:
                    inspect(path)
        except ObjectMissingError:
            self.findings.add("missing", entry.path, "the file is not there")
        except (*UNREADABLE, OSError) as error:
            self.findings.add("checksum", entry.path, f"the file cannot be read: {error}")

    def check_parquet(self, entry: FileEntry, columns: pa.Schema, inspect: InspectParquet) -> None:
        """Checks a parquet file and has it inspected if it has at least these columns."""

        def open_and_inspect(path: Path) -> None:
            try:
                with pa.memory_map(str(path)) as mapped, pq.ParquetFile(mapped) as file:
                    self.compare_rows(entry, file.metadata.num_rows)
                    if self._has_columns(entry, file.schema_arrow, columns):
                        inspect(file)
            except (pa.ArrowException, ValueError, OSError) as error:
                self.findings.add("columns", entry.path, f"the parquet file cannot be read: {error}")

        self.check(entry, open_and_inspect)

    def compare_rows(self, entry: FileEntry, rows: int) -> None:
        """Compares the number of rows found with the manifest's."""
        if rows != entry.rows:
            problem = f"{rows:,} rows are in it, the manifest says {entry.rows:,}"
            self.findings.add("rows", entry.path, problem)

    def compare_tally(self, entry: FileEntry, found: Counts) -> None:
        """Compares how a file's rows ended with what the ledger counted for its unit."""
        counted = self.tallies.get(entry.path)
        if counted is not None and +found != +counted:
            problem = f"its rows ended as {told(found)}, the ledger says {told(counted)}"
            self.findings.add("rows", entry.path, problem)

    def _compare_size(self, entry: FileEntry, size: int) -> None:
        if size != entry.bytes:
            problem = f"the file has {size:,} bytes, the manifest says {entry.bytes:,}"
            self.findings.add("size", entry.path, problem)

    def _compare_checksum(self, entry: FileEntry, path: Path) -> None:
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                self.bytes_read += len(chunk)
                self.progress(self.bytes_read, self.bytes_in_all)
        if digest.hexdigest() != entry.sha256:
            problem = "the bytes are not those that were written (SHA-256 differs)"
            self.findings.add("checksum", entry.path, problem)

    def _has_columns(self, entry: FileEntry, found: pa.Schema, wanted: pa.Schema) -> bool:
        problems = []
        for column in wanted:
            if column.name not in found.names:
                problems.append(f"column {column.name} is missing")
            elif not found.field(column.name).type.equals(column.type):
                kind = found.field(column.name).type
                problems.append(f"column {column.name} is {kind}, it has to be {column.type}")
        for problem in problems:
            self.findings.add("columns", entry.path, problem)
        return not problems


def batches(file: pq.ParquetFile, columns: list[str]) -> Iterator[pa.Table]:
    """Yields the rows of a parquet file as tables of bounded size."""
    for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
        yield pa.Table.from_batches([batch])


def told(counts: Counts) -> str:
    """Returns counts in words, such as `passed 90, failed(http_4xx) 10`."""
    parts = [
        f"{outcome}({reason}) {rows:,}" if reason else f"{outcome} {rows:,}"
        for (outcome, reason), rows in sorted((+counts).items())
    ]
    return ", ".join(parts) or "nothing"


def spread(rows: int, most: int) -> range:
    """Returns at most `most` places spread evenly over `rows` rows: the same for the same file."""
    return range(0, rows, max(1, -(-rows // most)))
