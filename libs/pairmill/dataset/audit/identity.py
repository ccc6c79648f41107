"""Ids recomputed from what they are made of, for some rows of a file (U1)."""

from __future__ import annotations

from typing import Final

import mmh3
import pyarrow as pa

from pairmill.dataset.audit.work import Work
from pairmill.dataset.manifest import FileEntry
from pairmill.ids import sample_id, to_hex, url_id

ID_CHECKS: Final = 2_000
"""Rows of a file whose ids are recomputed, spread evenly."""


def check_ids(entry: FileEntry, table: pa.Table, url: str, text: str, work: Work) -> None:
    """Recomputes the ids of rows, and LAION's hash where they have it; `url`, `text` name the columns."""
    has_hash = "hash" in table.schema.names
    columns = ["sample_id", "url_id", url, text, *(["hash"] if has_hash else [])]
    for row in table.select(columns).to_pylist():
        address, words = row[url] or "", row[text] or ""
        wanted: dict[str, str | int] = {
            "sample_id": to_hex(sample_id(address, words)),
            "url_id": to_hex(url_id(address)),
        }
        if has_hash:
            wanted["hash"] = mmh3.hash64(address + words)[0]
        for name, value in wanted.items():
            if row[name] != value:
                problem = f"{name} of {row['sample_id']} is {row[name]}, URL and text give {value}"
                work.findings.add("identity", entry.path, problem)
