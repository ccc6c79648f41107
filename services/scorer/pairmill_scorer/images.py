"""Where the images of scored rows stand, by the job's policy on bytes (U11)."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pairmill.errors import InvalidRecordError
from pairmill.reasons import outcome_name
from pairmill_protos.common.v1.outcome_pb2 import Outcome

_COLUMNS = ("shard", "tar_offset", "tar_size")


def kept_keys(table: pa.Table) -> set[str]:
    """Returns the WebDataset keys of the rows that pass."""
    ids: list[Any] = table.filter(_is_kept(table))["sample_id"].to_pylist()
    return {sample_id.hex() for sample_id in ids}


def in_shard(table: pa.Table, shard: str) -> pa.Table:
    """Returns the rows pointing to the shard's own tar, where all images are."""
    return _with_places(
        table, pa.repeat(pa.scalar(shard), table.num_rows), table["tar_offset"], table["tar_size"]
    )


def in_kept_tar(table: pa.Table, tar: str, moved: dict[int, int]) -> pa.Table:
    """Returns the rows that pass pointing to the tar that was cut for them, the others nowhere.

    `moved` maps offsets in the shard's tar to offsets in the new one. Raises InvalidRecordError if an
    image that should be there was not copied.
    """
    kept = _is_kept(table)
    before: list[Any] = table["tar_offset"].to_pylist()
    offsets = [
        moved.get(offset) if passes else None for offset, passes in zip(before, kept.to_pylist(), strict=True)
    ]
    places = pa.array(offsets, pa.int64())
    if len(places) - places.null_count != pc.sum(kept).as_py():
        raise InvalidRecordError("the shard's tar lacks images that its index names")
    nothing = pa.nulls(table.num_rows, pa.int64())
    shard = pc.if_else(kept, pa.scalar(tar), pa.scalar(None, pa.string()))
    return _with_places(table, shard, places, pc.if_else(kept, table["tar_size"], nothing))


def nowhere(table: pa.Table) -> pa.Table:
    """Returns the rows without images."""
    nothing = pa.nulls(table.num_rows, pa.int64())
    return _with_places(table, pa.nulls(table.num_rows, pa.string()), nothing, nothing)


def _is_kept(table: pa.Table) -> Any:
    return pc.equal(table["outcome"], pa.scalar(outcome_name(Outcome.OUTCOME_KEPT)))


def _with_places(table: pa.Table, *columns: Any) -> pa.Table:
    for name, column in zip(_COLUMNS, columns, strict=True):
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)
    return table
