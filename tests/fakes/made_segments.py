"""Segments of an index in memory, with random samples."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill.idarrays import Words, words_of_bytes
from pairmill_index.columns import SAMPLES
from pairmill_index.manifest import Modality, Segment

DIMENSIONS: Final = 16
LANGUAGES: Final = ("en", "de", "fr", "ja", "")
HOSTS: Final = tuple(f"h{number}.test" for number in range(20))


@dataclass(frozen=True)
class MadeSegment:
    """What a choice needs of an open segment."""

    segment: Segment
    table: pa.Table
    ids: Words
    alive: npt.NDArray[np.bool_]
    stored: npt.NDArray[np.float16] = field(repr=False)

    def vectors(self, modality: Modality) -> npt.NDArray[np.float16]:
        """Returns the same for both."""
        del modality
        return self.stored

    def keys(self, flags: npt.NDArray[np.bool_]) -> list[bytes]:
        """Returns the ids of rows whose flag is set."""
        chosen = self.table.column("sample_id").filter(pa.array(flags))
        return [bytes(key) for key in chosen.to_pylist() if key is not None]


def make_rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Returns rows of samples; a third is in clusters of a few."""
    draw = random.Random(seed)
    rows = [_row(draw, number) for number in range(count)]
    for start in range(0, count - 3, 9):
        head = min(row["sample_id"] for row in rows[start : start + 3])
        for row in rows[start : start + 3]:
            row["cluster_id"] = head
    return rows


def make_segment(rows: Sequence[dict[str, Any]], bucket: str, seed: int, *, chunks: int = 1) -> MadeSegment:
    """Returns rows as a segment, in order of their ids."""
    ordered = sorted(rows, key=lambda row: bytes(row["sample_id"]))
    whole = pa.Table.from_pylist(ordered, schema=SAMPLES)
    size = -(-len(ordered) // chunks) or 1
    table = pa.concat_tables([whole.slice(start, size) for start in range(0, max(len(ordered), 1), size)])
    ids = words_of_bytes(b"".join(row["sample_id"] for row in ordered), 16)
    vectors = np.random.default_rng(seed).standard_normal((len(ordered), DIMENSIONS))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return MadeSegment(
        segment=Segment(segment_id=f"s{seed}", bucket=bucket, rows=len(ordered), files=(), indices=()),
        table=table,
        ids=np.asfortranarray(ids),
        alive=np.ones(len(ordered), dtype=np.bool_),
        stored=vectors.astype(np.float16),
    )


def make_segments(count: int, seed: int = 0, *, chunks: int = 1) -> list[MadeSegment]:
    """Returns three segments of one dataset; clusters go across them."""
    rows = make_rows(count, seed)
    draw = random.Random(seed)
    parts: list[list[dict[str, Any]]] = [[], [], []]
    for row in rows:
        parts[draw.randrange(3)].append(row)
    buckets = ("en", "multi", "multi")
    return [
        make_segment(part, bucket, seed + place, chunks=chunks)
        for place, (part, bucket) in enumerate(zip(parts, buckets, strict=True))
    ]


def _row(draw: random.Random, number: int) -> dict[str, Any]:
    key = draw.randbytes(16)
    has_image = draw.random() < 0.9
    return {
        "sample_id": key,
        "url": f"https://a.test/{number}.jpg",
        "text": f"picture {number}",
        "language": draw.choice(LANGUAGES),
        "verdict": draw.choice(("kept", "filtered")),
        "reason": "",
        "host": HOSTS[min(int(draw.expovariate(0.3)), len(HOSTS) - 1)],
        "crawl": "CC-TEST",
        "licence": draw.choice(("", "CC0")),
        "similarity": draw.random(),
        "unsafe_score": draw.random(),
        "width": draw.randrange(100, 900),
        "height": draw.randrange(100, 900),
        "phash": draw.getrandbits(64),
        "cluster_id": key,
        "md5": "",
        "shard": f"shards/{number % 4}.tar" if has_image else "",
        "tar_offset": 512 * number if has_image else None,
        "tar_size": draw.randrange(1000, 9000) if has_image else None,
        "data_file": f"data/en/{number % 3}.parquet",
        "data_row": number // 3,
        "shard_index": f"shards/{number % 4}.parquet",
    }
