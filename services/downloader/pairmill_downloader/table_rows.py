"""The rows of a table's shard: what is fetched for them, and what is written of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from pairmill.errors import ConfigurationError
from pairmill.ids import sample_id, to_hex, url_id
from pairmill.schemas import SHARD_INDEX, versioned
from pairmill_downloader.ends import Ended, HandedOn, TargetEnd
from pairmill_downloader.fetching.targets import Target as Address
from pairmill_downloader.fetching.targets import parse_target
from pairmill_downloader.shards.index import Row, end_fields
from pairmill_downloader.targets import Target
from pairmill_protos.common.v1.outcome_pb2 import Reason

COLUMNS: Final = (
    "key",
    "url",
    "caption",
    "status",
    "error_message",
    "width",
    "height",
    "original_width",
    "original_height",
    "exif",
    "sha256",
    "sample_id",
    "url_id",
    "reason",
    "detail",
    "attempts",
    "http_status",
    "content_type",
    "final_url",
    "format",
    "body_bytes",
    "fetched_at",
    "md5",
    "sha1",
    "phash",
    "tar_offset",
    "tar_size",
    "robots",
    "host",
    "domain",
)
"""Columns of a table's shard, meant as in the index of a job's shards; the table's own follow."""

_SHARD_DIGITS: Final = 5


def key_of(shard: int, row: int, samples_per_shard: int) -> str:
    """Returns img2dataset's key: the shard's number, then the row's, with leading zeros."""
    digits = len(str(max(1, samples_per_shard - 1)))
    return f"{shard:0{_SHARD_DIGITS}d}{row:0{digits}d}"


def shard_name(shard: int) -> str:
    """Returns what the names of a shard's files begin with."""
    return f"{shard:0{_SHARD_DIGITS}d}"


def targets_and_refusals(urls: Sequence[str | None]) -> tuple[list[Target], dict[int, Ended]]:
    """Returns what is to be fetched, each URL once, and the rows that have no URL to fetch."""
    places: dict[str, list[int]] = {}
    addresses: dict[str, Address] = {}
    refused: dict[int, Ended] = {}
    for row, url in enumerate(urls):
        parsed = parse_target(str(url or "").strip())
        if isinstance(parsed, Address):
            addresses[parsed.url] = parsed
            places.setdefault(parsed.url, []).append(row)
        else:
            refused[row] = Ended(
                target=_no_target(str(url or ""), row), attempts=0, reason=parsed[0], detail=parsed[1]
            )
    targets = [
        Target(url=url, host=addresses[url].host, domain=addresses[url].domain, rows=tuple(rows))
        for url, rows in places.items()
    ]
    return targets, refused


def final(end: TargetEnd) -> Ended:
    """Returns an end that is one: in a table's only round nothing is handed on."""
    if not isinstance(end, HandedOn):
        return end
    reason = end.reason or Reason.REASON_HOST_TOO_SLOW
    return Ended(target=end.target, attempts=end.attempts, reason=reason, detail="time was up")


def table_row(key: str, url: str | None, caption: str | None, end: Ended) -> Row:
    """Returns what is written of a row, in the order of `COLUMNS`."""
    target = end.target
    row: Row = dict.fromkeys(COLUMNS)
    row |= {
        "key": key,
        "url": url,
        "caption": caption,
        "sample_id": to_hex(sample_id(target.url, caption or "")),
        "url_id": to_hex(url_id(target.url)),
        "host": target.host or None,
        "domain": target.domain or None,
    }
    fields = end_fields(end)
    return row | {name: value for name, value in fields.items() if name in row}


def schema_of(additional: pa.Schema) -> pa.Schema:
    """Returns the schema of a table's shards; raises ConfigurationError where names collide."""
    taken = sorted({*additional.names} & {*COLUMNS, "jpg", "png", "webp"})
    if taken:
        raise ConfigurationError(
            f"--save-additional-columns: {', '.join(taken)} would stand twice; rename it in the table"
        )
    own = [SHARD_INDEX.field(name) for name in COLUMNS]
    return versioned(pa.schema([*own, *additional]))


def with_additional(rows: Sequence[Row], table: pa.Table, additional: Sequence[str]) -> Sequence[Row]:
    """Returns rows with the values of the table's own columns."""
    if not additional:
        return rows
    own: Sequence[Mapping[str, Any]] = table.select(list(additional)).to_pylist()
    return [row | dict(values) for row, values in zip(rows, own, strict=True)]


def _no_target(url: str, row: int) -> Target:
    return Target(url=url, host="", domain="", rows=(row,))
