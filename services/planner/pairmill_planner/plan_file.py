"""Writing the plan: one parquet file with a row group per download unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.idarrays import Positions, ascending, words_of
from pairmill.placement.place import Placement
from pairmill.schemas import CANDIDATES, DOWNLOAD_ROWS, versioned
from pairmill.spill import PartitionSpill
from pairmill_planner.candidates import Candidates

_COLUMNS: Final = tuple(CANDIDATES.names)
_NEW_COUNTERS: Final = ("attempts_used", "retry_round", "retry_after_rounds")


def write_plan(
    path: Path, candidates: Candidates, links: int, passed: Positions, placement: Placement, scratch: Path
) -> list[int]:
    """Writes the candidates by unit, each unit ordered by URL and sample; returns the rows of each unit.

    `links` is the number of links that `candidates` yields, `passed` the positions of those that
    became candidates, row-aligned with `placement`.
    """
    unit = _by_link(links, passed, placement.unit, np.int32)
    bucket = _by_link(links, passed, placement.bucket, np.int32)
    spill = PartitionSpill(scratch, DOWNLOAD_ROWS)
    for batch in candidates.batches(_COLUMNS):
        rows = slice(batch.first_row, batch.first_row + len(batch.table))
        taken = unit[rows] >= 0
        if taken.any():
            table = batch.table.filter(pa.array(taken))
            spill.add(_download_rows(table, bucket[rows][taken]), unit[rows][taken])
    return _write_groups(path, spill, len(placement.first_buckets))


def _by_link(
    links: int, passed: Positions, values: npt.NDArray[Any], kind: type[np.generic]
) -> npt.NDArray[Any]:
    """Spreads values of the candidates over all links; -1 elsewhere."""
    spread = np.full(links, -1, dtype=kind)
    spread[passed] = values
    return spread


def _download_rows(table: pa.Table, bucket: npt.NDArray[np.int32]) -> pa.Table:
    """Returns candidates as rows of a download unit that nothing was tried with yet."""
    place = table.schema.get_field_index("bucket")
    own = table.column("bucket").to_numpy()
    table = table.set_column(place, "bucket", pa.array(np.where(bucket >= 0, bucket, own), pa.int32()))
    for name in _NEW_COUNTERS:
        table = table.append_column(name, pa.array(np.zeros(len(table), dtype=np.int32)))
    return table.append_column("last_reason", pa.nulls(len(table), pa.string())).cast(DOWNLOAD_ROWS)


def _write_groups(path: Path, spill: PartitionSpill, units: int) -> list[int]:
    rows: list[int] = []
    with pq.ParquetWriter(
        path, versioned(DOWNLOAD_ROWS), compression="zstd", write_page_checksum=True
    ) as writer:
        for number, part in spill.parts():
            if number != len(rows):
                raise AssertionError(f"unit {len(rows)} has no rows")
            writer.write_table(_ordered(part), row_group_size=max(1, len(part)))
            rows.append(len(part))
    if len(rows) != units:
        raise AssertionError(f"{units} units were placed, {len(rows)} have rows")
    return rows


def _ordered(part: pa.Table) -> pa.Table:
    part = part.combine_chunks()
    order = ascending(_ids(part, "url_id"), _ids(part, "sample_id"))
    return part.take(order)


def _ids(table: pa.Table, name: str) -> npt.NDArray[np.uint64]:
    return np.concatenate([words_of(chunk) for chunk in table.column(name).chunks])
