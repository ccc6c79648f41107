"""Reading one range of host buckets out of a wave's candidate files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.errors import CorruptObjectError
from pairmill.stage.port import UnitContext
from pairmill.store.ranged import RangedObject
from pairmill.units import first_bucket_of_range
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef

BATCH_ROWS: Final = 65_536

Opener = Callable[[], pq.ParquetFile]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one file that lie in the range."""

    first_row: int  # number of the first row, counted over all files of the wave
    table: pa.Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """A wave's candidate files, in the order of their WATs, seen through one range of buckets.

    Rows are numbered from 0 over all files in their order; the numbers are the same in every pass.
    """

    openers: Sequence[Opener]
    first_bucket: int
    end_bucket: int
    check: Callable[[int], None] = lambda rows: None  # told how many rows were read; may raise to stop

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """Yields the range's rows with these columns; row groups of other ranges are not read."""
        number = 0
        for opener in self.openers:
            with opener() as file:
                for table in self._of_file(file, columns):
                    yield Batch(number, table)
                    number += len(table)
                    self.check(number)

    def _of_file(self, file: pq.ParquetFile, columns: Sequence[str]) -> Iterator[pa.Table]:
        groups = self._groups(file.metadata)
        read = list(dict.fromkeys([*columns, "bucket"]))
        try:
            for batch in file.iter_batches(batch_size=BATCH_ROWS, row_groups=groups, columns=read):
                table = pa.Table.from_batches([batch])
                buckets = _buckets(table)
                inside = (buckets >= self.first_bucket) & (buckets < self.end_bucket)
                yield (table if inside.all() else table.filter(pa.array(inside))).select(list(columns))
        except OSError as error:
            if "checksum" in str(error).lower():
                raise CorruptObjectError(
                    f"a page of a candidate file is not what was written: {error}"
                ) from error
            raise

    def _groups(self, metadata: pq.FileMetaData) -> list[int]:
        """Row groups that may hold rows of the range, by the statistics of `bucket`."""
        column = metadata.schema.names.index("bucket")
        found = []
        for index in range(metadata.num_row_groups):
            statistics = metadata.row_group(index).column(column).statistics
            if statistics is None or not statistics.has_min_max or self._overlaps(statistics):
                found.append(index)
        return found

    def _overlaps(self, buckets: pq.Statistics) -> bool:
        low, high = buckets.min, buckets.max
        return low is None or high is None or (high >= self.first_bucket and low < self.end_bucket)


def wave_candidates(
    context: UnitContext, refs: Sequence[ObjectRef], *, whole_file_bytes: int, check: Callable[[int], None]
) -> Candidates:
    """Returns the candidates of a plan unit's range.

    Files up to `whole_file_bytes` are fetched whole, which verifies them; of larger ones only the
    range is read, whose pages carry checksums of their own.
    """
    ranges, index = context.spec.plan.ranges, context.task.input.plan.range
    return Candidates(
        openers=[_opener(context, ref, whole=ranges == 1 or ref.bytes <= whole_file_bytes) for ref in refs],
        first_bucket=first_bucket_of_range(index, ranges),
        end_bucket=first_bucket_of_range(index + 1, ranges),
        check=check,
    )


def local_file(path: Path) -> Opener:
    """Returns an opener of a file on disk."""
    return lambda: pq.ParquetFile(path, page_checksum_verification=True)


def _opener(context: UnitContext, ref: ObjectRef, *, whole: bool) -> Opener:
    if whole:
        return lambda: local_file(context.fetch(ref))()
    return lambda: pq.ParquetFile(
        pa.PythonFile(RangedObject(context.store, ref.key, ref.bytes), mode="r"),
        pre_buffer=True,
        page_checksum_verification=True,
    )


def _buckets(table: pa.Table) -> npt.NDArray[Any]:
    return np.asarray(table.column("bucket").to_numpy())
