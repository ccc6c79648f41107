"""The rows of a shard's index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import pyarrow as pa

from pairmill.dataset.sample_json import sample_json
from pairmill.ids import to_hex
from pairmill.reasons import RULES_VERSION, reason_name
from pairmill.schemas import PROVENANCE, SHARD_INDEX, versioned
from pairmill_downloader.ends import Ended
from pairmill_downloader.images.examine import Examined
from pairmill_downloader.ports import FetchEnd
from pairmill_protos.common.v1.outcome_pb2 import Reason

Row: TypeAlias = dict[str, Any]
Status: TypeAlias = Literal["success", "failed_to_download", "failed_to_resize"]

_COPIED: Final = (
    "url",
    "host",
    "domain",
    "language",
    "language_confidence",
    "language_detector",
    "licence",
    "consent",
    *(field.name for field in PROVENANCE),
)
_OF_IMAGES: Final = frozenset(range(Reason.REASON_NOT_AN_IMAGE, Reason.REASON_ASPECT_RATIO + 1))
_NOT_IN_SAMPLE: Final = frozenset(
    {
        "outcome",
        "reason",
        "detail",
        "error_message",
        "attempts",
        "retry_round",
        "http_status",
        "content_type",
        "final_url",
        "fetched_at",
        "robots",
        "tar_offset",
        "tar_size",
    }
)
"""What depends on when and how an image was fetched: equal input gives equal members of the tar."""


def status_of(reason: Reason.ValueType) -> Status:
    """Returns img2dataset's word for how a row ended."""
    if reason == Reason.REASON_UNSPECIFIED:
        return "success"
    return "failed_to_resize" if reason in _OF_IMAGES else "failed_to_download"


def index_row(source: Mapping[str, Any], end: Ended, retry_round: int) -> Row:
    """Returns the index's row of a row like `DOWNLOAD_ROWS` that ended; the tar's place is still null."""
    key, reason = to_hex(source["sample_id"]), reason_name(end.reason)
    row: Row = dict.fromkeys(SHARD_INDEX.names)
    row |= {name: source[name] for name in _COPIED}
    row |= {
        "key": key,
        "sample_id": key,
        "url_id": to_hex(source["url_id"]),
        "caption": source["text"],
        "outcome": "failed" if reason else "passed",
        "rule_version": RULES_VERSION,
        "retry_round": retry_round,
    }
    return row | end_fields(end)


def end_fields(end: Ended) -> Row:
    """Returns what became of a URL, as columns of an index."""
    reason = reason_name(end.reason)
    detail = _storable(end.detail)
    message = f"{reason}: {detail}" if detail else reason
    row: Row = {
        "status": status_of(end.reason),
        "error_message": message if reason else None,
        "reason": reason,
        "detail": detail,
        "attempts": end.attempts,
        "body_bytes": end.body_bytes,
    }
    if end.fetch is not None:
        row |= _of_fetch(end.fetch)
    if end.examined is not None:
        row |= _of_image(end.examined)
    return row


def described(row: Row) -> bytes:
    """Returns a sample's JSON: what follows from the pair and the bytes alone."""
    facts = {name: value for name, value in row.items() if name not in _NOT_IN_SAMPLE}
    return sample_json(facts, SHARD_INDEX)


def index_table(rows: list[Row]) -> pa.Table:
    """Returns rows as a table of the index's schema."""
    return pa.Table.from_pylist(rows, schema=versioned(SHARD_INDEX))


def _of_fetch(fetch: FetchEnd) -> Row:
    return {
        "http_status": fetch.http_status,
        "content_type": _storable(fetch.content_type),
        "final_url": _storable(fetch.final_url),
        "robots": _storable(fetch.robots),
        "fetched_at": fetch.fetched_at,
    }


def _of_image(examined: Examined) -> Row:
    stored = examined.stored
    return {
        "width": stored.width if stored else None,
        "height": stored.height if stored else None,
        "original_width": examined.original_width,
        "original_height": examined.original_height,
        "exif": examined.exif,
        "format": examined.format or None,
        "sha256": examined.hashes.sha256,
        "content_sha256": examined.hashes.sha256,
        "md5": examined.hashes.md5,
        "sha1": examined.hashes.sha1,
        "phash": stored.phash if stored else None,
    }


def _storable(text: str) -> str | None:
    """Returns a text of foreign origin without what no file may hold (NUL, surrogates); None if empty."""
    return text.encode(errors="replace").decode().replace("\0", "") or None
