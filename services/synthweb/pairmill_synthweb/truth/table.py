"""The truth as a file: one row per candidate, and the counts of what never became one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pairmill_synthweb.truth.counts import Counts
from pairmill_synthweb.truth.ends import End

_COUNTS_KEY: Final = b"counts"
_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("sample_id", pa.string()),
    pa.field("url", pa.string()),
    pa.field("text", pa.string()),
    pa.field("kind", pa.string()),  # class of links that it was made for
    pa.field("stage", pa.string()),  # where it ends: download, score or finalise
    pa.field("outcome", pa.string()),
    pa.field("reason", pa.string()),
    pa.field("cluster_id", pa.string()),  # null for what failed, as are all that follow
    pa.field("content_sha256", pa.string()),
    pa.field("width", pa.int32()),  # as fetched, upright
    pa.field("height", pa.int32()),
    pa.field("similarity", pa.float32()),
    pa.field("unsafe_score", pa.float32()),
    pa.field("watermark_score", pa.float32()),
    pa.field("toxicity", pa.float32()),
    pa.field("aesthetic_score", pa.float32()),
]
TRUTH: Final = pa.schema(_FIELDS)


@dataclass(frozen=True, slots=True)
class Truth:
    """What must become of a synthetic web."""

    rows: pa.Table  # columns of TRUTH, sorted by sample_id
    counts: Counts  # of crawl and plan

    def by_id(self) -> dict[str, dict[str, Any]]:
        """Returns the rows by `sample_id`."""
        return {row["sample_id"]: row for row in self.rows.to_pylist()}

    def totals(self) -> Counter[tuple[str, str]]:
        """Returns how many candidates end in each (outcome, reason)."""
        names = (self.rows.column(name).to_pylist() for name in ("outcome", "reason"))
        return Counter(zip(*names, strict=True))


def truth_of(ends: Sequence[End], counts: Counts) -> Truth:
    """Returns the truth of a settled world."""
    rows = [_row(end) for end in sorted(ends, key=lambda end: end.sample_id)]
    return Truth(pa.Table.from_pylist(rows, schema=TRUTH), counts)


def write_truth(truth: Truth, path: Path) -> None:
    """Writes the truth to a parquet file; the counts stand in its metadata."""
    counts = json.dumps([[*key, count] for key, count in sorted(truth.counts.items())])
    table = truth.rows.replace_schema_metadata({_COUNTS_KEY: counts.encode()})
    unfinished = path.with_name(f".{path.name}.part")
    pq.write_table(table, unfinished, compression="zstd")
    unfinished.replace(path)


def read_truth(file: Path | BinaryIO) -> Truth:
    """Returns the truth that a file holds; raises ValueError where it is none."""
    table = pq.read_table(file)
    metadata = table.schema.metadata or {}
    if _COUNTS_KEY not in metadata:
        raise ValueError("the file holds a table, but no truth")
    counts: Counts = Counter(dict(_entries(metadata[_COUNTS_KEY])))
    return Truth(table.replace_schema_metadata(None), counts)


def _entries(data: bytes) -> Iterator[tuple[tuple[str, str, str], int]]:
    for stage, outcome, reason, count in json.loads(data):
        yield (stage, outcome, reason), count


def _row(end: End) -> dict[str, Any]:
    row: dict[str, Any] = {
        name: getattr(end, name)
        for name in ("sample_id", "url", "text", "kind", "stage", "outcome", "reason")
    }
    if end.evidence is not None:
        found = end.evidence
        row |= {
            "cluster_id": end.cluster_id,
            "content_sha256": found.content_sha256,
            "width": found.width,
            "height": found.height,
            "similarity": found.scores.similarity,
            "unsafe_score": found.scores.unsafe,
            "watermark_score": found.scores.watermark,
            "toxicity": found.scores.toxicity,
            "aesthetic_score": found.scores.aesthetic,
        }
    return row
