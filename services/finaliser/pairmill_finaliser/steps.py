"""Schemas of what one phase writes for the next. Nothing outside the finalisation reads it."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from pairmill.ledger.phases import (
    BANDS_ROLE,
    CHOICE_ROLE,
    CLUSTERS_ROLE,
    CONTENTS_ROLE,
    KEPT_ROLE,
    LOSERS_ROLE,
    NEIGHBOURS_ROLE,
    ROWS_ROLE,
)
from pairmill.schemas import ID, SCORED

CONTENT: Final = pa.binary(32)

_ROWS: Final[list[pa.Field[Any]]] = [*SCORED, pa.field("cluster_id", ID)]  # null: not known yet

_CONTENTS: Final[list[pa.Field[Any]]] = [
    pa.field("content", CONTENT),  # SHA-256 of the fetched bytes
    pa.field("phash", pa.uint64()),  # null where the image has none
    pa.field("sample_id", ID),
]

_BANDS: Final[list[pa.Field[Any]]] = [
    pa.field("band", pa.uint64()),
    pa.field("value", pa.uint64()),  # the band's bits
    pa.field("phash", pa.uint64()),
    pa.field("sample_id", ID),  # the content's representative
    pa.field("head", pa.uint32()),  # first four bytes of the content
]

_NEIGHBOURS: Final[list[pa.Field[Any]]] = [
    pa.field("sample_id", ID),  # a content's representative
    pa.field("neighbour", ID),  # the smallest representative of a bucket within the distance, if smaller
]

_CLUSTERS: Final[list[pa.Field[Any]]] = [
    pa.field("sample_id", ID),
    pa.field("cluster_id", ID),  # where it is another than the sample's own id
]

_CHOICE: Final[list[pa.Field[Any]]] = [
    pa.field("sample_id", ID),
    pa.field("cluster_id", ID),
    pa.field("url_id", ID),
    pa.field("domain_id", ID),  # hash of the registrable domain
    pa.field("similarity", pa.float32()),
]

_LOSERS: Final[list[pa.Field[Any]]] = [
    pa.field("sample_id", ID),
    pa.field("reason", pa.int32()),  # number of the Reason
]

_KEPT: Final[list[pa.Field[Any]]] = [
    pa.field("sample_id", pa.string()),
    pa.field("url", pa.string()),
    pa.field("text", pa.string()),
    pa.field("language", pa.string()),
    pa.field("page_url", pa.string()),
    pa.field("crawl", pa.string()),
    pa.field("wat_file", pa.string()),
    pa.field("warc_offset", pa.int64()),
    pa.field("content_sha256", pa.string()),
    pa.field("md5", pa.string()),
    pa.field("phash", pa.string()),
    pa.field("original_width", pa.int32()),
    pa.field("original_height", pa.int32()),
    pa.field("cluster_id", pa.string()),
    pa.field("rule_version", pa.string()),
    pa.field("shard", pa.string()),
    pa.field("tar_offset", pa.int64()),
    pa.field("tar_size", pa.int64()),
]

KEPT_SCHEMA: Final = pa.schema(_KEPT)

SCHEMAS: Final = {
    ROWS_ROLE: pa.schema(_ROWS),
    CONTENTS_ROLE: pa.schema(_CONTENTS),
    BANDS_ROLE: pa.schema(_BANDS),
    NEIGHBOURS_ROLE: pa.schema(_NEIGHBOURS),
    CLUSTERS_ROLE: pa.schema(_CLUSTERS),
    CHOICE_ROLE: pa.schema(_CHOICE),
    LOSERS_ROLE: pa.schema(_LOSERS),
    KEPT_ROLE: KEPT_SCHEMA,
}
