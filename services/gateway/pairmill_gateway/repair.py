"""From candidates worth another try to the download units of a repair (U8, U16)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.idarrays import ascending, words_of
from pairmill.placement.links import Links
from pairmill.placement.place import Placement, place
from pairmill.schemas import DOWNLOAD_ROWS, versioned
from pairmill.spill import PartitionSpill
from pairmill.store.port import ObjectStore
from pairmill.units import input_digest, list_key, range_of_bucket
from pairmill_protos.job.v1.job_pb2 import JobSpec
from pairmill_protos.unit.v1.unit_pb2 import DownloadInput, FollowUps, ObjectRef, Stage, UnitInput, UnitTask


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairPlan:
    """Candidates cut into download units."""

    rows: int
    tasks: ObjectRef  # the units, as a repair's spec refers to them


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    range: int
    number: int  # within its range
    rows: int
    first_bucket: int


def plan_repair(
    tables: Iterable[pa.Table], spec: JobSpec, store: ObjectStore, scratch: Path
) -> RepairPlan | None:
    """Stores the candidates and the units that they are cut into; None if there are no candidates.

    The same candidates give the same names. Hosts are spread over units as in a first plan. Memory holds
    one range of host buckets at a time.
    """
    ranges = spec.plan.ranges
    spill = PartitionSpill(scratch, DOWNLOAD_ROWS)
    for table in tables:
        buckets = table.column("bucket").to_numpy()
        spill.add(table, np.array([range_of_bucket(int(bucket), ranges) for bucket in buckets], np.int32))
    path = scratch / "again.parquet"
    units = list(_write_units(path, spill, spec))
    if not units:
        return None
    rows = _stored_rows(path, sum(unit.rows for unit in units), store)
    data = FollowUps(inline=_tasks(units, rows)).SerializeToString(deterministic=True)
    digest = hashlib.sha256(data).digest()
    key = list_key("lists", digest)
    store.put(key, data)
    tasks = ObjectRef(key=key, bytes=len(data), sha256=digest, rows=len(units), role="list")
    return RepairPlan(rows=rows.rows, tasks=tasks)


def _write_units(path: Path, spill: PartitionSpill, spec: JobSpec) -> Iterator[_Unit]:
    """Writes a row group per unit, each ordered by URL and sample."""
    with pq.ParquetWriter(
        path, versioned(DOWNLOAD_ROWS), compression="zstd", write_page_checksum=True
    ) as writer:
        for number, part in spill.parts():
            table = _ordered(part)
            placement = place(_links(table), np.arange(len(table), dtype=np.int64), spec, number)
            table = _with_buckets(table, placement)
            for unit, first_bucket in enumerate(placement.first_buckets):
                group = table.take(np.flatnonzero(placement.unit == unit))
                writer.write_table(group, row_group_size=max(1, len(group)))
                yield _Unit(range=number, number=unit, rows=len(group), first_bucket=first_bucket)


def _ordered(part: pa.Table) -> pa.Table:
    part = part.combine_chunks()
    order = ascending(
        words_of(part.column("url_id").combine_chunks()), words_of(part.column("sample_id").combine_chunks())
    )
    return part.take(order).combine_chunks()


def _links(table: pa.Table) -> Links:
    encoded = table.column("domain").combine_chunks().dictionary_encode()
    return Links(
        url=words_of(table.column("url_id").combine_chunks()),
        sample=words_of(table.column("sample_id").combine_chunks()),
        wat_index=table.column("wat_index").to_numpy(),
        wat_offset=table.column("wat_offset").to_numpy(),
        link_index=table.column("link_index").to_numpy(),
        domain=encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32),
        domains=tuple(name or "" for name in encoded.dictionary.to_pylist()),
    )


def _with_buckets(table: pa.Table, placement: Placement) -> pa.Table:
    """Very large domains are split into parts with buckets of their own (U6)."""
    own = table.column("bucket").to_numpy()
    buckets = np.where(placement.bucket >= 0, placement.bucket, own).astype(np.int32)
    return table.set_column(table.schema.get_field_index("bucket"), "bucket", pa.array(buckets))


def _stored_rows(path: Path, rows: int, store: ObjectStore) -> ObjectRef:
    """Stores the file under a name that follows from its bytes: the job's id follows from this name."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    key = f"steps/again/rows-{digest.hex()}.parquet"
    info = store.put_file(key, path)
    return ObjectRef(key=key, bytes=info.size_bytes, sha256=digest, rows=rows, role="plan")


def _tasks(units: list[_Unit], rows: ObjectRef) -> Iterator[UnitTask]:
    """Yields the units without job and spec, which follow from them (`JobRoot.repair_tasks`)."""
    for group, unit in enumerate(units):
        unit_input = UnitInput(
            download=DownloadInput(rows=rows, row_group=group, first_bucket=unit.first_bucket)
        )
        yield UnitTask(
            stage=Stage.STAGE_DOWNLOAD,
            unit_id=f"w0000/r{unit.range:04d}/d{unit.number:05d}",
            input_digest=input_digest(unit_input),
            input=unit_input,
            rows=unit.rows,
        )
