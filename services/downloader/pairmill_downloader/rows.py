"""The rows of a download unit: reading its row group, writing what is handed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.errors import CorruptObjectError
from pairmill.reasons import reason_name
from pairmill.schemas import DOWNLOAD_ROWS, versioned
from pairmill.stage.port import UnitContext
from pairmill.store.ranged import RangedObject
from pairmill_downloader.ends import HandedOn

WHOLE_FILE_BYTES: Final = 4 * 2**20
"""Files up to this size are fetched and verified whole; of larger ones one row group is read."""


def read_rows(context: UnitContext) -> pa.Table:
    """Returns the unit's rows. Pages carry checksums; raises CorruptObjectError where one is wrong."""
    source = context.task.input.download
    whole = source.rows.bytes <= WHOLE_FILE_BYTES
    ranged = RangedObject(context.store, source.rows.key, source.rows.bytes)
    opened = context.fetch(source.rows) if whole else pa.PythonFile(ranged, mode="r")
    with pq.ParquetFile(opened, page_checksum_verification=True, pre_buffer=True) as file:
        try:
            table = file.read_row_group(source.row_group)
        except OSError as error:
            if "checksum" in str(error).lower():
                detail = f"a page of {source.rows.key} is not what was written: {error}"
                raise CorruptObjectError(detail) from error
            raise
    return table.select(DOWNLOAD_ROWS.names).combine_chunks()


def write_rest(path: Path, table: pa.Table, groups: Sequence[Mapping[int, HandedOn]]) -> None:
    """Writes rows that were handed on, a row group per follow-up; rows keep their order."""
    schema = versioned(DOWNLOAD_ROWS)
    with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        for group in groups:
            rest = _handed_on(table, group)
            writer.write_table(rest, row_group_size=max(1, len(rest)))


def _handed_on(table: pa.Table, group: Mapping[int, HandedOn]) -> pa.Table:
    places = sorted(group)
    rest = table.take(pa.array(places, pa.int64()))
    ends = [group[place] for place in places]
    before = rest.column("retry_round").to_pylist()
    rounds = [(number or 0) + end.next_round for number, end in zip(before, ends, strict=True)]
    changed: dict[str, Sequence[int | str | None]] = {
        "attempts_used": [end.attempts for end in ends],
        "retry_round": rounds,
        "retry_after_rounds": [end.retry_after_rounds for end in ends],
        "last_reason": [reason_name(end.reason) or None for end in ends],
    }
    for name, values in changed.items():
        index = DOWNLOAD_ROWS.get_field_index(name)
        field = DOWNLOAD_ROWS.field(index)
        rest = rest.set_column(index, field, pa.array(values, field.type))
    return rest.cast(versioned(DOWNLOAD_ROWS))
