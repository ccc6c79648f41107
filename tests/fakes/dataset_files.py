"""The files of a synthetic dataset, as the stages would write them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.ids import from_hex
from pairmill.reasons import RULES_VERSION
from pairmill.schemas import (
    DOWNLOAD_ROWS,
    DROP_SAMPLES,
    EMBEDDING_METADATA,
    SAMPLES,
    SHARD_INDEX,
    TRAIN_INDEX,
    versioned,
)
from tests.fakes.dataset_world import Candidate

DIMENSIONS = 16

Place = tuple[str, int, int] | tuple[None, None, None]
"""Key of the tar that holds an image, offset and size; nothing where the image was given up."""


def parquet(rows: Iterable[dict[str, Any]], schema: pa.Schema, row_group: int | None = None) -> bytes:
    """Returns rows as parquet; columns that are not given are null."""
    filled = [dict.fromkeys(schema.names) | row for row in rows]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(filled, schema=versioned(schema)), sink, row_group_size=row_group)
    return sink.getvalue()


def webdataset(samples: Iterable[tuple[str, dict[str, bytes]]]) -> tuple[bytes, dict[str, tuple[int, int]]]:
    """Returns a tar and where the image of each key stands in it."""
    sink, places = io.BytesIO(), {}
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for key, parts in samples:
            for extension, data in parts.items():
                info = tarfile.TarInfo(f"{key}.{extension}")
                info.size = len(data)
                if extension == "jpg":
                    places[key] = (sink.tell() + tarfile.BLOCKSIZE, len(data))
                tar.addfile(info, io.BytesIO(data))
    return sink.getvalue(), places


def sample_parts(candidate: Candidate) -> dict[str, bytes]:
    """Returns the members of a sample."""
    facts = {"key": candidate.key, "url": candidate.url, "caption": candidate.text}
    return {
        "jpg": candidate.image,
        "json": json.dumps(facts, sort_keys=True).encode(),
        "txt": candidate.text.encode(),
    }


def plan_file(candidates: Sequence[Candidate], row_group: int) -> bytes:
    """Returns the plan's rows with so many rows per group."""
    rows = [
        {
            "sample_id": from_hex(candidate.key),
            "url_id": from_hex(candidate.url_key),
            "url": candidate.url,
            "text": candidate.text,
            "host": candidate.host,
            "domain": candidate.domain,
            "bucket": candidate.bucket,
            "language": candidate.language,
            **provenance(candidate),
        }
        for candidate in candidates
    ]
    return parquet(rows, DOWNLOAD_ROWS, row_group)


def provenance(candidate: Candidate) -> dict[str, Any]:
    """Returns where a candidate was found."""
    return {
        "page_url": f"https://{candidate.host}/page",
        "crawl": "CC-TEST",
        "wat_file": f"{candidate.wat}.wat.gz",
        "wat_index": candidate.wat,
        "wat_offset": candidate.offset,
        "link_index": 0,
        "warc_file": f"{candidate.wat}.warc.gz",
        "warc_offset": candidate.offset * 10,
    }


def index_rows(
    candidates: Iterable[Candidate], places: dict[str, tuple[int, int]], attempts: int
) -> list[dict[str, Any]]:
    """Returns the rows of a shard's index, sorted by key."""
    rows = []
    for candidate in sorted(candidates, key=lambda candidate: candidate.key):
        failed = bool(candidate.failure)
        row = {
            "key": candidate.key,
            "sample_id": candidate.key,
            "url_id": candidate.url_key,
            "url": candidate.url,
            "caption": candidate.text,
            "status": "failed_to_download" if failed else "success",
            "outcome": "failed" if failed else "passed",
            "reason": candidate.failure,
            "rule_version": RULES_VERSION,
            "attempts": attempts,
            "host": candidate.host,
            "domain": candidate.domain,
            "language": candidate.language,
            **provenance(candidate),
        }
        if not failed:
            row |= _fetched(candidate) | {
                "tar_offset": places[candidate.key][0],
                "tar_size": places[candidate.key][1],
            }
        rows.append(row | candidate.fields)
    return rows


def _fetched(candidate: Candidate) -> dict[str, Any]:
    return {
        "width": 48,
        "height": 40,
        "original_width": 480,
        "original_height": 400,
        "sha256": candidate.content_sha256,
        "content_sha256": candidate.content_sha256,
        "md5": candidate.md5,
        "phash": candidate.phash,
        "body_bytes": 12_345,
    }


def index_file(rows: list[dict[str, Any]]) -> bytes:
    """Returns a shard's index."""
    return parquet(rows, SHARD_INDEX)


def embeddings(candidates: Sequence[Candidate], kind: int) -> bytes:
    """Returns unit vectors in float16, one per candidate."""
    rows = []
    for candidate in candidates:
        draw = np.random.default_rng([int(candidate.key[:8], 16), kind])
        vector = draw.standard_normal(DIMENSIONS)
        rows.append(vector / np.linalg.norm(vector))
    sink = io.BytesIO()
    np.save(sink, np.array(rows, dtype="<f2"))
    return sink.getvalue()


def metadata_file(candidates: Iterable[Candidate], shard: str) -> bytes:
    """Returns the rows that stand beside embeddings."""
    rows = [
        {
            "key": candidate.key,
            "sample_id": candidate.key,
            "url": candidate.url,
            "caption": candidate.text,
            "image_path": f"{shard}/{candidate.key}.jpg",
            "model": "tiny",
            "model_version": "1",
        }
        for candidate in candidates
    ]
    return parquet(rows, EMBEDDING_METADATA)


def sample_row(candidate: Candidate, verdict: str, reason: str, cluster: str, place: Place) -> dict[str, Any]:
    """Returns a row of `data/`."""
    origin, scores = provenance(candidate), candidate.scores
    shard, offset, size = place
    return {
        "URL": candidate.url,
        "TEXT": candidate.text,
        "WIDTH": 480,
        "HEIGHT": 400,
        "similarity": scores.similarity,
        "LANGUAGE": candidate.language,
        "hash": candidate.hash,
        "pwatermark": scores.watermark,
        "punsafe": scores.unsafe,
        "AESTHETIC_SCORE": scores.aesthetic,
        "toxicity": scores.toxicity,
        "sample_id": candidate.key,
        "url_id": candidate.url_key,
        "stored_width": 48,
        "stored_height": 40,
        "content_sha256": candidate.content_sha256,
        "md5": candidate.md5,
        "phash": candidate.phash,
        "page_url": origin["page_url"],
        "crawl": origin["crawl"],
        "wat_file": origin["wat_file"],
        "warc_offset": origin["warc_offset"],
        "model": "tiny",
        "model_version": "1",
        "verdict": verdict,
        "reason": reason,
        "cluster_id": cluster,
        "rule_version": RULES_VERSION,
        "shard": shard,
        "tar_offset": offset,
        "tar_size": size,
    } | candidate.fields


def samples_file(rows: Iterable[dict[str, Any]]) -> bytes:
    """Returns a file of `data/`."""
    return parquet(rows, SAMPLES)


def train_index_file(candidates: Iterable[Candidate], places: dict[str, tuple[int, int]]) -> bytes:
    """Returns the index of a file of `train/`."""
    rows = [
        {
            "key": candidate.key,
            "sample_id": candidate.key,
            "url": candidate.url,
            "caption": candidate.text,
            "image_path": f"{candidate.key}.jpg",
            "tar_offset": places[candidate.key][0],
            "tar_size": places[candidate.key][1],
        }
        for candidate in candidates
    ]
    return parquet(rows, TRAIN_INDEX)


def drop_samples_file(wat: int) -> bytes:
    """Returns examples of what a WAT held besides candidates."""
    rows = [
        {"stage": "crawl", "reason": "no_alt", "url": f"https://a.test/{wat}.png", "text": ""},
        {
            "stage": "crawl",
            "reason": "bad_scheme",
            "url": "javascript:alert(1)",
            "text": "<script>x</script>",
        },
    ]
    return parquet(rows, DROP_SAMPLES)
