"""Columns of samples read from the files of a dataset, for one request: from a bounded number of places.

Samples lie wherever their ids and fetches put them, so that a thousand of them may lie in a thousand row
groups, each of which is read to get at one row. What is asked for first is read, the rest is left out.
"""

from __future__ import annotations

from collections import ChainMap, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

import structlog

from pairmill.dataset.source import UNREADABLE
from pairmill.idarrays import Words
from pairmill_explorer.datasets.fields import fields_of
from pairmill_explorer.datasets.id_rows import IdRows
from pairmill_explorer.datasets.parquet import ParquetRows
from pairmill_explorer.datasets.reading import all_read
from pairmill_explorer.datasets.served import Snapshot
from pairmill_protos.explorer.v1.search_pb2 import Field

MOST_FILES: Final = 64  # of one kind that are opened for one request
MOST_GROUPS: Final = 64  # row groups of `data/` that are read for one request

Rows: TypeAlias = Mapping[int, int]
"""A row of a file, by the sample's place in the request."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnsRead:
    """What was read, by the samples' places in the request."""

    fields: Mapping[int, Sequence[Field]]  # none where a file cannot be read
    left_out: frozenset[int]  # samples in more places than are looked at


class ColumnReader:
    """Reads columns of samples. Thread-safe."""

    def __init__(self) -> None:
        self.files = ParquetRows()
        self._ids = IdRows(self.files)

    def data(self, snapshot: Snapshot, where: Mapping[str, Sequence[Any]]) -> ColumnsRead:
        """Returns the columns of `data/`; `where` has the index's columns `data_file` and `data_row`."""
        files, left_out = _first_files(where["data_file"])
        rows = {path: {place: where["data_row"][place] for place in places} for path, places in files.items()}
        groups = self._all_read(snapshot, self._groups, rows)
        chosen: defaultdict[str, dict[int, int]] = defaultdict(dict)
        taken: set[tuple[str, int]] = set()
        for place in sorted(groups):
            path = where["data_file"][place]
            if (path, groups[place]) in taken or len(taken) < MOST_GROUPS:
                taken.add((path, groups[place]))
                chosen[path][place] = rows[path][place]
            else:
                left_out.add(place)
        return ColumnsRead(
            fields=self._all_read(snapshot, self._fields, chosen), left_out=frozenset(left_out)
        )

    def evidence(self, snapshot: Snapshot, paths: Sequence[str], ids: Words) -> ColumnsRead:
        """Returns the columns of shards' indices, given the path of each sample's and its id."""
        files, left_out = _first_files(paths)
        found = self._all_read(snapshot, partial(self._rows, ids), files)
        rows: defaultdict[str, dict[int, int]] = defaultdict(dict)
        for place, row in found.items():
            rows[paths[place]][place] = row
        return ColumnsRead(fields=self._all_read(snapshot, self._fields, rows), left_out=frozenset(left_out))

    def _all_read(self, snapshot: Snapshot, read: Any, wanted: Mapping[str, Any]) -> Mapping[int, Any]:
        """Returns what is read of all files; of one that cannot be read nothing, which is logged."""
        reads = [partial(_readable, snapshot, read, path, one) for path, one in wanted.items()]
        return ChainMap(*all_read(snapshot.store, reads))

    def _groups(self, snapshot: Snapshot, path: str, rows: Rows) -> dict[int, int]:
        groups = self.files.groups(snapshot.store, path, [*rows.values()])
        return dict(zip(rows, groups, strict=True))

    def _rows(self, ids: Words, snapshot: Snapshot, path: str, places: Sequence[int]) -> dict[int, int]:
        rows = self._ids.find(snapshot.store, path, ids[places]).tolist()
        return {place: row for place, row in zip(places, rows, strict=True) if row >= 0}

    def _fields(self, snapshot: Snapshot, path: str, rows: Rows) -> dict[int, list[Field]]:
        ordered = sorted(set(rows.values()))
        table = self.files.rows(snapshot.store, path, ordered)
        numbers = {row: number for number, row in enumerate(ordered)}
        return {place: fields_of(table, numbers[row]) for place, row in rows.items()}


def _readable(snapshot: Snapshot, read: Any, path: str, wanted: Any) -> dict[int, Any]:
    try:
        found: dict[int, Any] = read(snapshot, path, wanted)
    except UNREADABLE as error:
        log.warning("columns_not_read", dataset=snapshot.name, file=path, error=str(error))
        return {}
    return found


def _first_files(paths: Iterable[str]) -> tuple[dict[str, list[int]], set[int]]:
    """Returns the files that are named first with the places that name them, and the places of the others."""
    by_file: dict[str, list[int]] = {}
    left_out: set[int] = set()
    for place, path in enumerate(paths):
        if path in by_file:
            by_file[path].append(place)
        elif path and len(by_file) < MOST_FILES:
            by_file[path] = [place]
        elif path:
            left_out.add(place)
    return by_file, left_out
