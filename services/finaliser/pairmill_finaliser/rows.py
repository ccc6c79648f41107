"""One shape for the rows of the set, whether they come from score units or from a base's `data/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa

from pairmill.domains import registrable_domain
from pairmill.idarrays import array_of, words_of_hex
from pairmill.ids import ID_BYTES
from pairmill.ledger.phases import ROWS_ROLE, SAMPLES_ROLE, SCORES_ROLE
from pairmill.verdict import one_array
from pairmill_finaliser.steps import SCHEMAS

ROWS: Final = SCHEMAS[ROWS_ROLE]
ROW_ROLES: Final = frozenset({ROWS_ROLE, SCORES_ROLE, SAMPLES_ROLE})

SAMPLE_NAMES: Final[Mapping[str, str]] = {
    "url": "URL",
    "text": "TEXT",
    "original_width": "WIDTH",
    "original_height": "HEIGHT",
    "language": "LANGUAGE",
    "watermark_score": "pwatermark",
    "unsafe_score": "punsafe",
    "aesthetic_score": "AESTHETIC_SCORE",
    "width": "stored_width",
    "height": "stored_height",
    "outcome": "verdict",
}
"""Names of a row's columns in `data/` where they differ from those of score units."""

_HEX: Final = frozenset({"sample_id", "url_id", "cluster_id"})


def columns_in_file(role: str, columns: list[str]) -> list[str]:
    """Returns the columns to read of a file of a role for these columns of rows."""
    if role == ROWS_ROLE:
        return columns
    if role == SCORES_ROLE:
        return [name for name in columns if name != "cluster_id"]
    return list(
        dict.fromkeys(SAMPLE_NAMES.get("url" if name == "domain" else name, name) for name in columns)
    )


def as_rows(table: pa.Table, role: str, columns: list[str]) -> pa.Table:
    """Returns a file's table as rows with these columns."""
    if role == ROWS_ROLE:
        return table.select(columns)
    if role == SCORES_ROLE:
        found = {name: _column_or_null(table, name) for name in columns}
    else:
        found = {name: _from_samples(table, name) for name in columns}
    return pa.table(found, schema=pa.schema([ROWS.field(name) for name in columns]))


def _from_samples(table: pa.Table, name: str) -> pa.Array[Any]:
    if name == "domain":
        return _domains(one_array(table, "URL"))
    array = one_array(table, SAMPLE_NAMES.get(name, name))
    return array_of(words_of_hex(array, ID_BYTES)) if name in _HEX else array


def _column_or_null(table: pa.Table, name: str) -> pa.Array[Any]:
    if name in table.schema.names:
        return one_array(table, name)
    nothing: pa.Array[Any] = pa.nulls(len(table), ROWS.field(name).type)
    return nothing


def _domains(urls: pa.Array[Any]) -> pa.Array[Any]:
    """Returns the registrable domain of each URL; `data/` does not hold it."""
    hosts = pa.array([_host(url) for url in urls.to_pylist()], pa.string()).dictionary_encode()
    domains = [registrable_domain(host or "") for host in hosts.dictionary.to_pylist()]
    if not domains:
        return pa.array([], pa.string())
    places = hosts.indices.to_numpy(zero_copy_only=False)
    return pa.array(np.array(domains, dtype=object)[places], pa.string())


def _host(url: str | None) -> str:
    """Returns the host of a serialised URL as the URL has it, IPv6 in brackets."""
    authority = urlsplit(url or "").netloc.rpartition("@")[2]
    if authority.startswith("["):
        return authority.partition("]")[0] + "]"
    return authority.partition(":")[0]
