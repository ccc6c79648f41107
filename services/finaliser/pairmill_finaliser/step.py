"""What a phase reads and writes: tables by role in, tables by role and partition out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.errors import CutOffError
from pairmill.schemas import versioned
from pairmill.spill import PartitionSpill
from pairmill.stage.port import UnitContext
from pairmill_finaliser.rows import ROW_ROLES, as_rows, columns_in_file
from pairmill_finaliser.steps import SCHEMAS
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import FinaliseInput, ObjectRef, References

BATCH_ROWS: Final = 65_536
DICTIONARY_ROWS: Final = 1024  # in shorter files dictionaries take more time than they save bytes
FOLDER: Final = "steps/finalise"


class Step:
    """One attempt at one unit of a phase. Inputs are read in pieces, outputs kept on scratch disk."""

    def __init__(self, context: UnitContext) -> None:
        self.context = context
        self.unit: FinaliseInput = context.task.input.finalise
        self.inputs = self._references(self.unit.inputs)
        self.replacing = self._references(self.unit.replacing)
        self._sinks: dict[str, PartitionSpill] = {}
        self._done = 0

    @property
    def spec(self) -> JobSpec:
        """The job's pinned spec."""
        return self.context.spec

    @property
    def partitions(self) -> int:
        """Number of partitions that outputs are cut into."""
        return self.unit.next_partitions

    def read(self, role: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yields what the inputs of a role hold, in pieces."""
        for ref in self.inputs:
            if ref.role == role:
                yield from self._tables(ref, list(columns) if columns is not None else None)

    def read_rows(
        self, columns: Sequence[str], refs: Sequence[ObjectRef] | None = None
    ) -> Iterator[pa.Table]:
        """Yields rows of the set, whatever files they stand in, in pieces."""
        for ref in self.inputs if refs is None else refs:
            if ref.role in ROW_ROLES:
                for table in self._tables(ref, columns_in_file(ref.role, list(columns))):
                    yield as_rows(table, ref.role, list(columns))

    def sink(self, role: str) -> PartitionSpill:
        """Returns what takes the rows of a role by the partition that reads them."""
        if role not in self._sinks:
            self._sinks[role] = PartitionSpill(self.context.scratch, SCHEMAS[role])
        return self._sinks[role]

    def store(self) -> list[ObjectRef]:
        """Stores what the sinks took, one object per role and partition, and returns the references."""
        return [ref for role in self._sinks for ref in self._stored(role)]

    def put_table(self, key: str, table: pa.Table, role: str, partition: int) -> ObjectRef:
        """Stores a table as parquet."""
        path = self.context.scratch / "out.parquet"
        pq.write_table(table, path, compression="zstd", use_dictionary=len(table) >= DICTIONARY_ROWS)
        return self.context.put_file(key, path, role=role, rows=len(table), partition=partition)

    def check(self) -> None:
        """Raises CutOffError when the unit is to end; a phase has nothing to show before it is whole."""
        if self.context.cut_off.is_set():
            raise CutOffError("the finalisation unit was cut off")

    def advance(self, rows: int) -> None:
        """Reports rows as done."""
        self._done += rows
        self.context.report_progress(self._done, self.context.task.rows)

    def path(self, name: str) -> Path:
        """Returns a path on scratch disk."""
        return self.context.scratch / name

    def _stored(self, role: str) -> Iterator[ObjectRef]:
        for number, table in self._sinks[role].parts():
            key = self.context.key(FOLDER, f".{role}.p{number:05d}.parquet")
            yield self.put_table(key, table.cast(versioned(SCHEMAS[role])), role, number)

    def _tables(self, ref: ObjectRef, columns: list[str] | None) -> Iterator[pa.Table]:
        with pq.ParquetFile(self.context.fetch(ref)) as file:
            names = file.schema_arrow.names
            known = names if columns is None else [name for name in columns if name in names]
            # Most files are small: handing their columns to threads costs more than decoding them.
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=known, use_threads=False):
                self.check()
                yield pa.Table.from_batches([batch])

    def _references(self, listed: References) -> list[ObjectRef]:
        if listed.HasField("listed"):
            data = self.context.store.get(listed.listed.key, sha256=listed.listed.sha256)
            return list(References.FromString(data).inline)
        return list(listed.inline)
