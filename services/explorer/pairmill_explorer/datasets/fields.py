"""Columns of a row as people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from pairmill_protos.explorer.v1.search_pb2 import Field


def fields_of(table: pa.Table, row: int) -> list[Field]:
    """Returns every column of a row, in the table's order."""
    return [
        _field(name, table.schema.field(name).type, table.column(name)[row].as_py())
        for name in table.column_names
    ]


def _field(name: str, kind: pa.DataType, value: Any) -> Field:
    if value is None:
        return Field(name=name, null=True)
    return Field(name=name, value=_text(kind, value))


def _text(kind: pa.DataType, value: Any) -> str:
    if pa.types.is_float32(kind):
        return str(np.float32(value))  # the shortest that is the same number
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)
