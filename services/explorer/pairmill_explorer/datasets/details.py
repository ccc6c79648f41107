"""Samples with all that is known of them: every column of `data/`, and how the fetch went."""

from __future__ import annotations

from collections import ChainMap, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
import structlog

from pairmill.dataset.source import UNREADABLE
from pairmill.idarrays import words_of_bytes
from pairmill.ids import ID_BYTES, from_hex
from pairmill_explorer.datasets.fields import fields_of
from pairmill_explorer.datasets.parquet import ParquetRows
from pairmill_explorer.datasets.reading import all_read
from pairmill_explorer.datasets.served import Snapshot
from pairmill_explorer.errors import BadRequestError, TooLargeError
from pairmill_explorer.search.found import Found, in_segment, joined
from pairmill_explorer.search.samples import columns_of, ids_of, samples_of
from pairmill_index.opened import OpenIndex
from pairmill_protos.explorer.v1.search_pb2 import Field
from pairmill_protos.explorer.v1.search_service_pb2 import SampleDetail

MAX_IDS: Final = 1000

log = structlog.get_logger(__name__)


def found_ids(index: OpenIndex, sample_ids: Sequence[str], field: str = "sample_ids") -> Found:
    """Returns where samples are, in the order asked for, each once; unknown ids are left out.

    Raises BadRequestError for what is no id, TooLargeError for too many.
    """
    if len(sample_ids) > MAX_IDS:
        raise TooLargeError(field, f"has {len(sample_ids):,} ids; at most {MAX_IDS:,} are taken")
    raw = []
    for place, sample_id in enumerate(dict.fromkeys(sample_ids)):
        try:
            raw.append(from_hex(sample_id))
        except ValueError as error:
            message = f"{sample_id[:80]!r} is no id; 32 hex digits are wanted"
            raise BadRequestError(f"{field}[{place}]", message) from error
    wanted = words_of_bytes(b"".join(raw), ID_BYTES)
    asked, parts = [], []
    for place, segment in enumerate(index.segments):
        rows = segment.find(wanted)
        there = np.flatnonzero(rows >= 0)
        asked.append(there)
        parts.append(in_segment(place, rows[there]))
    return joined(parts)[np.argsort(np.concatenate(asked), kind="stable")] if parts else joined(parts)


def details_of(snapshot: Snapshot, found: Found, files: ParquetRows) -> list[SampleDetail]:
    """Returns found samples with all that is known. Where a file cannot be read, its columns are left out."""
    where = columns_of(snapshot.index, found, ("data_file", "data_row", "shard_index"))
    samples = samples_of(snapshot.index, found, snapshot.rules)
    rows, ids = where["data_row"], ids_of(snapshot.index, found)
    fields = [
        partial(_fields, snapshot, files, path, {place: rows[place] for place in places})
        for path, places in _by_file(where["data_file"])
    ]
    evidence = [
        partial(_evidence, snapshot, files, path, {ids[place]: place for place in places})
        for path, places in _by_file(where["shard_index"])
    ]
    read = all_read(snapshot.store, [*fields, *evidence])
    known, fetched = (ChainMap(*parts) for parts in (read[: len(fields)], read[len(fields) :]))
    return [
        SampleDetail(sample=sample, fields=known.get(place, ()), evidence=fetched.get(place, ()))
        for place, sample in enumerate(samples)
    ]


def _fields(
    snapshot: Snapshot, files: ParquetRows, path: str, wanted: Mapping[int, int]
) -> dict[int, list[Field]]:
    """Returns the columns of rows of `data/` by place; `wanted` has the row of each place."""
    rows = sorted(set(wanted.values()))
    try:
        table = files.rows(snapshot.store, path, rows)
    except UNREADABLE as error:
        log.warning("samples_not_read", dataset=snapshot.name, file=path, error=str(error))
        return {}
    return {place: fields_of(table, rows.index(row)) for place, row in wanted.items()}


def _evidence(
    snapshot: Snapshot, files: ParquetRows, path: str, wanted: Mapping[str, int]
) -> dict[int, list[Field]]:
    """Returns the columns of a shard's index by place; `wanted` has the place of each id."""
    try:
        rows = _rows_of(snapshot, path, wanted, files)
        table = files.rows(snapshot.store, path, sorted(rows))
    except UNREADABLE as error:
        log.warning("evidence_not_read", dataset=snapshot.name, file=path, error=str(error))
        return {}
    return {wanted[rows[row]]: fields_of(table, number) for number, row in enumerate(sorted(rows))}


def _rows_of(
    snapshot: Snapshot, path: str, wanted: Mapping[str, int], files: ParquetRows
) -> Mapping[int, str]:
    """Returns the id of each row of a shard's index that is wanted, by its number."""
    found: dict[int, str] = {}
    start = 0
    for batch in files.batches(snapshot.store, path, ["sample_id"]):
        ids = batch.column(0).to_pylist()
        found |= {start + row: str(sample_id) for row, sample_id in enumerate(ids) if sample_id in wanted}
        start += len(ids)
    return found


def _by_file(paths: Sequence[str]) -> Iterator[tuple[str, list[int]]]:
    """Yields each file that is named with the places that name it."""
    by_file: defaultdict[str, list[int]] = defaultdict(list)
    for place, path in enumerate(paths):
        if path:
            by_file[path].append(place)
    yield from sorted(by_file.items())
