"""Declared parquet schemas. Columns are only ever added, are nullable and never change type (U17)."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

SCHEMA_VERSION: Final = "1"


def _schema(fields: list[pa.Field[Any]]) -> pa.Schema:
    return pa.schema(fields)


ID: Final = pa.binary(16)
TIME: Final = pa.timestamp("us", tz="UTC")

PROVENANCE: Final[tuple[pa.Field[Any], ...]] = (
    pa.field("page_url", pa.string()),
    pa.field("crawl", pa.string()),
    pa.field("wat_file", pa.string()),
    pa.field("wat_index", pa.int32()),  # position in the job's list: first key of provenance order
    pa.field("wat_offset", pa.int64()),  # byte offset of the record's gzip member in the WAT: second key
    pa.field("link_index", pa.int32()),  # position among the page's links: third key
    pa.field("warc_file", pa.string()),  # file name of the WARC that the record describes
    pa.field("warc_offset", pa.int64()),  # offset of the response record in that WARC, -1 if not stated
)

LINK: Final[tuple[pa.Field[Any], ...]] = (
    pa.field("sample_id", ID),
    pa.field("url_id", ID),
    pa.field("url", pa.string()),
    pa.field("text", pa.string()),
    pa.field("host", pa.string()),  # as serialised in the URL, without port
    pa.field("domain", pa.string()),  # registrable domain, or the host where there is none
    pa.field("bucket", pa.int32()),  # 0..4095 (U6)
    pa.field("language", pa.string()),  # ISO 639-1, null if undetermined
    pa.field("language_confidence", pa.float32()),
    pa.field("language_detector", pa.string()),  # name and version
    pa.field("licence", pa.string()),  # licence that the page declares, if any
    pa.field("consent", pa.string()),  # what the page says of AI use, if anything; evidence, not a verdict
    *PROVENANCE,
)

CANDIDATES: Final = _schema([*LINK])
"""Crawl unit's output, role `candidates`: sorted by (bucket, url_id, sample_id)."""

DROP_SAMPLES: Final = _schema(
    [
        pa.field("stage", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("url", pa.string()),
        pa.field("text", pa.string()),
        pa.field("page_url", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("wat_offset", pa.int64()),
    ]
)
"""Role `drop_samples`: a few links or records per reason, for the report."""

DOWNLOAD_ROWS: Final = _schema(
    [
        *LINK,
        pa.field("attempts_used", pa.int32()),  # attempts spent so far
        pa.field("retry_round", pa.int32()),  # 0 for the first round
        pa.field("retry_after_rounds", pa.int32()),  # rounds that waited at the cap of Retry-After
        pa.field("last_reason", pa.string()),  # why the row was handed on, null in the first unit
    ]
)
"""Roles `plan` (plan unit's output, one row group per download unit) and `rest` (rows handed on)."""

SHARD_INDEX: Final = _schema(
    [
        pa.field("key", pa.string()),  # sample_id in hex: the WebDataset key
        pa.field("url", pa.string()),
        pa.field("caption", pa.string()),  # equals text
        pa.field("status", pa.string()),  # img2dataset: success, failed_to_download, failed_to_resize
        pa.field("error_message", pa.string()),
        pa.field("width", pa.int32()),  # as stored
        pa.field("height", pa.int32()),
        pa.field("original_width", pa.int32()),  # as fetched, after EXIF rotation
        pa.field("original_height", pa.int32()),
        pa.field("exif", pa.string()),  # JSON
        pa.field("sha256", pa.string()),  # of the fetched bytes, hex
        pa.field("sample_id", pa.string()),
        pa.field("url_id", pa.string()),
        pa.field("outcome", pa.string()),  # passed or failed
        pa.field("reason", pa.string()),
        pa.field("rule_version", pa.string()),
        pa.field("detail", pa.string()),  # what exactly, for people
        pa.field("attempts", pa.int32()),
        pa.field("retry_round", pa.int32()),
        pa.field("http_status", pa.int32()),
        pa.field("content_type", pa.string()),
        pa.field("final_url", pa.string()),
        pa.field("format", pa.string()),  # of the fetched bytes, by content
        pa.field("body_bytes", pa.int64()),
        pa.field("fetched_at", TIME),
        pa.field("content_sha256", pa.string()),  # equals sha256
        pa.field("md5", pa.string()),
        pa.field("sha1", pa.string()),
        pa.field("phash", pa.string()),  # 64-bit perceptual hash, 16 hex digits
        pa.field("tar_offset", pa.int64()),  # of the image's bytes in the shard's tar
        pa.field("tar_size", pa.int64()),
        pa.field("robots", pa.string()),  # evidence of consent: what allowed it
        pa.field("host", pa.string()),
        pa.field("domain", pa.string()),
        pa.field("language", pa.string()),
        pa.field("language_confidence", pa.float32()),
        pa.field("language_detector", pa.string()),
        pa.field("licence", pa.string()),
        pa.field("consent", pa.string()),
        *PROVENANCE,
    ]
)
"""Role `shard_index`: one row per candidate that ended in this unit (failures too), sorted by key.

Rows that were handed on are not in it.
"""

EMBEDDING_METADATA: Final = _schema(
    [
        pa.field("key", pa.string()),
        pa.field("url", pa.string()),
        pa.field("caption", pa.string()),
        pa.field("sample_id", pa.string()),
        pa.field("image_path", pa.string()),  # shard tar key and member, for clip-retrieval's readers
        pa.field("model", pa.string()),
        pa.field("model_version", pa.string()),
    ]
)
"""Role `embedding_metadata`: row-aligned with both embedding files."""

EMBED_FAILURES: Final = _schema(
    [
        pa.field("sample_id", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
    ]
)
"""Role `embed_failures`: downloaded rows without embeddings."""

SCORED: Final = _schema(
    [
        pa.field("sample_id", ID),
        pa.field("url_id", ID),
        pa.field("url", pa.string()),
        pa.field("text", pa.string()),
        pa.field("outcome", pa.string()),  # kept, filtered, failed by the thresholds of the job
        pa.field("reason", pa.string()),
        pa.field("rule_version", pa.string()),
        pa.field("similarity", pa.float32()),  # cosine, [-1, 1]
        pa.field("unsafe_score", pa.float32()),  # [0, 1]
        pa.field("watermark_score", pa.float32()),  # [0, 1]
        pa.field("aesthetic_score", pa.float32()),  # predictor's scale
        pa.field("toxicity", pa.float32()),  # [0, 1]
        pa.field("width", pa.int32()),  # as stored
        pa.field("height", pa.int32()),
        pa.field("original_width", pa.int32()),
        pa.field("original_height", pa.int32()),
        pa.field("content_sha256", pa.string()),
        pa.field("md5", pa.string()),
        pa.field("phash", pa.string()),
        pa.field("domain", pa.string()),
        pa.field("language", pa.string()),
        pa.field("language_confidence", pa.float32()),
        pa.field("licence", pa.string()),
        pa.field("consent", pa.string()),
        pa.field("page_url", pa.string()),
        pa.field("crawl", pa.string()),
        pa.field("wat_file", pa.string()),
        pa.field("warc_offset", pa.int64()),
        pa.field("model", pa.string()),
        pa.field("model_version", pa.string()),
        pa.field("shard", pa.string()),  # key of the tar that holds the image
        pa.field("tar_offset", pa.int64()),
        pa.field("tar_size", pa.int64()),
    ]
)
"""Role `scores`: every downloaded row of a shard, those without embeddings as `failed`."""

SAMPLES: Final = _schema(
    [
        pa.field("URL", pa.string()),
        pa.field("TEXT", pa.string()),
        pa.field("WIDTH", pa.int32()),
        pa.field("HEIGHT", pa.int32()),
        pa.field("similarity", pa.float32()),
        pa.field("LANGUAGE", pa.string()),
        pa.field("hash", pa.int64()),  # mmh3.hash64(URL + TEXT)[0]
        pa.field("pwatermark", pa.float32()),
        pa.field("punsafe", pa.float32()),
        pa.field("AESTHETIC_SCORE", pa.float32()),
        pa.field("sample_id", pa.string()),
        pa.field("url_id", pa.string()),
        pa.field("stored_width", pa.int32()),
        pa.field("stored_height", pa.int32()),
        pa.field("content_sha256", pa.string()),
        pa.field("md5", pa.string()),
        pa.field("phash", pa.string()),
        pa.field("toxicity", pa.float32()),
        pa.field("language_confidence", pa.float32()),
        pa.field("page_url", pa.string()),
        pa.field("crawl", pa.string()),
        pa.field("wat_file", pa.string()),
        pa.field("warc_offset", pa.int64()),
        pa.field("licence", pa.string()),
        pa.field("consent", pa.string()),
        pa.field("model", pa.string()),
        pa.field("model_version", pa.string()),
        pa.field("verdict", pa.string()),  # kept, filtered, failed
        pa.field("reason", pa.string()),
        pa.field("cluster_id", pa.string()),
        pa.field("rule_version", pa.string()),
        pa.field("shard", pa.string()),
        pa.field("tar_offset", pa.int64()),
        pa.field("tar_size", pa.int64()),
    ]
)
"""Role `samples`: the final parquet, LAION's columns first."""

TRAIN_INDEX: Final = _schema(
    [
        pa.field("key", pa.string()),  # sample_id in hex: the WebDataset key
        pa.field("url", pa.string()),
        pa.field("caption", pa.string()),  # equals text
        pa.field("sample_id", pa.string()),
        pa.field("language", pa.string()),
        pa.field("original_width", pa.int32()),
        pa.field("original_height", pa.int32()),
        pa.field("content_sha256", pa.string()),
        pa.field("md5", pa.string()),
        pa.field("phash", pa.string()),
        pa.field("cluster_id", pa.string()),
        pa.field("page_url", pa.string()),
        pa.field("crawl", pa.string()),
        pa.field("wat_file", pa.string()),
        pa.field("warc_offset", pa.int64()),
        pa.field("rule_version", pa.string()),
        pa.field("image_path", pa.string()),  # member of the tar
        pa.field("tar_offset", pa.int64()),  # of the image's bytes in this tar
        pa.field("tar_size", pa.int64()),
    ]
)
"""Role `train_index`: one row per sample of a tar of `train/`, in its order.

All but the last three columns also stand in the sample's `.json`: what U0 compares exactly.
"""


def versioned(schema: pa.Schema) -> pa.Schema:
    """Returns the schema with `schema_version` in its file metadata."""
    return schema.with_metadata({"schema_version": SCHEMA_VERSION})
