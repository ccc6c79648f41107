"""The table of samples of a segment: what filters read and results show.

An Arrow file without compression, so that columns are mapped and only what is touched is read. Rows are in
order of `sample_id`, so that a sample is found by binary search. Texts with few values are dictionaries, the
same for the whole segment.
"""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

_WORDS: Final = pa.dictionary(pa.int32(), pa.string())

_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("sample_id", pa.binary(16), nullable=False),  # in ascending order
    pa.field("url", pa.string(), nullable=False),
    pa.field("text", pa.string(), nullable=False),
    pa.field("language", _WORDS, nullable=False),  # empty if undetermined
    pa.field("verdict", _WORDS, nullable=False),
    pa.field("reason", _WORDS, nullable=False),  # empty if kept
    pa.field("host", _WORDS, nullable=False),
    pa.field("crawl", _WORDS, nullable=False),
    pa.field("licence", _WORDS, nullable=False),  # empty if the page declares none
    pa.field("similarity", pa.float32()),
    pa.field("unsafe_score", pa.float32()),
    pa.field("watermark_score", pa.float32()),
    pa.field("aesthetic_score", pa.float32()),
    pa.field("toxicity", pa.float32()),
    pa.field("width", pa.int32(), nullable=False),  # as fetched, pixels
    pa.field("height", pa.int32(), nullable=False),
    pa.field("phash", pa.uint64()),
    pa.field("cluster_id", pa.binary(16), nullable=False),
    pa.field("md5", pa.string(), nullable=False),
    pa.field("fetched_at", pa.timestamp("us", tz="UTC")),
    pa.field("shard", _WORDS, nullable=False),  # tar that holds the image; empty if it was not kept
    pa.field("tar_offset", pa.int64()),
    pa.field("tar_size", pa.int64()),
    pa.field("data_file", _WORDS, nullable=False),  # parquet of `data/` with all columns
    pa.field("data_row", pa.int64(), nullable=False),  # its row there
    pa.field("shard_index", _WORDS, nullable=False),  # parquet with how the fetch went
]

SAMPLES: Final = pa.schema(_FIELDS)

WORDS: Final = {
    "language": "LANGUAGE",
    "verdict": "verdict",
    "reason": "reason",
    "host": "host",
    "crawl": "crawl",
    "licence": "licence",
    "shard": "shard",
    "data_file": "data_file",
    "shard_index": "shard_index",
}
"""Columns of few different texts, and what they are called where a build reads them."""

GONE_ROW: Final = -1
"""Stands as `data_row` of a sample that its dataset has no more: an empty row that does not count."""
