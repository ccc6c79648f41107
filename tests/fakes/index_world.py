"""An index without a pipeline before it: random samples with clustered vectors, and their rows as parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pairmill.dataset.manifest import new_manifest
from pairmill.dataset.manifest_files import ManifestReader
from pairmill.dataset.reader import Dataset
from pairmill.dataset.source import files_of
from pairmill.idarrays import array_of
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectStore
from pairmill_explorer.datasets.served import Snapshot
from pairmill_explorer.ports import QueryEncoder
from pairmill_explorer.search.conditions import SafetyRules
from pairmill_index.columns import SAMPLES
from pairmill_index.layout import CURRENT, segment_prefix, version_key
from pairmill_index.manifest import EXACT, Current, IndexFile, IndexVersion, Modality, Segment, VectorIndex
from pairmill_index.opened import OpenIndex, open_index
from pairmill_index.writing import SegmentWriter
from tests.fakes.dataset_options import small_spec

DIMENSIONS = 16
LANGUAGES = {"en": ["en"], "multi": ["de", "fr", "ja", "es"], "nolang": [""]}
SHARES = {"en": 0.5, "multi": 0.4, "nolang": 0.1}
WORDS = ("red", "Blue", "Katze", "ÉTÉ", "été", "tree", "赤い木", "house", "<b>bold</b>", "50%_off")

Halves = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexWorld:
    """Samples of one index, bucket by bucket, each in order of id."""

    store: DirectoryStore
    index: OpenIndex
    rows: pa.Table  # SAMPLES plus `bucket`, in the order of the index's segments
    vectors: Mapping[Modality, Halves]  # row-aligned

    def snapshot(self, *, encoder: QueryEncoder | None = None, max_unsafe_score: float = 0.5) -> Snapshot:
        """Returns what a request works with."""
        manifest = new_manifest(spec=small_spec(), state="complete", why=[], funnel=[], files=[])
        source = files_of(self.store)
        return Snapshot(
            name="world",
            store=self.store,
            dataset=Dataset(source, ManifestReader(manifest, source)),
            index=self.index,
            rules=SafetyRules(max_unsafe_score=max_unsafe_score),
            encoder=encoder,
        )

    def ids(self) -> list[str]:
        """Returns the ids of all rows, hex."""
        return [bytes(sample_id or b"").hex() for sample_id in self.rows["sample_id"].to_pylist()]


def make_index(
    folder: Path,
    rows: int = 2000,
    *,
    seed: int = 1,
    segments: int = 1,
    buckets: Sequence[str] = tuple(SHARES),
    name: str = "",
) -> IndexWorld:
    """Writes and opens an index of so many rows; each bucket has so many segments.

    `name` begins the names of segments, so that one folder can hold several versions.
    """
    draw = np.random.default_rng(seed)
    store = DirectoryStore(folder)
    parts: list[tuple[Segment, pa.Table, Mapping[Modality, Halves]]] = []
    for bucket in buckets:
        for number in range(segments):
            count = max(1, int(rows * SHARES[bucket] / segments))
            table, vectors = _samples(draw, bucket, count), _vectors(draw, count)
            parts.append(
                (_stored(store, folder, f"{name}{bucket}-{number}", bucket, table, vectors), table, vectors)
            )
    serve_version(store, version_of([segment for segment, _, _ in parts]))
    tables = [
        table.append_column("bucket", pa.array([segment.bucket] * len(table))) for segment, table, _ in parts
    ]
    return IndexWorld(
        store=store,
        index=open_index(store, folder / "opened"),
        rows=pa.concat_tables(tables).unify_dictionaries(),
        vectors={
            modality: np.concatenate([vectors[modality] for _, _, vectors in parts]) for modality in Modality
        },
    )


def version_of(segments: Sequence[Segment]) -> IndexVersion:
    """Returns the manifest of a version of these segments."""
    return IndexVersion(
        dataset_version="d" * 64,
        bundle_digest="b" * 64,
        model="fake 1",
        dimensions=DIMENSIONS,
        segments=tuple(segments),
    )


def serve_version(store: ObjectStore, version: IndexVersion) -> None:
    """Makes a version serve, whatever served before."""
    data = version.encoded()
    current = Current(version=version.version(), sha256=hashlib.sha256(data).hexdigest())
    store.put(version_key(current.version), data)
    store.put(CURRENT, msgspec.json.encode(current))


def _stored(
    store: DirectoryStore,
    folder: Path,
    name: str,
    bucket: str,
    table: pa.Table,
    vectors: Mapping[Modality, Halves],
) -> Segment:
    writer = SegmentWriter(folder / "scratch" / name, DIMENSIONS)
    writer.add(table, {modality: _binary(values) for modality, values in vectors.items()})
    writer.close()
    files = []
    for path in writer.paths():
        info = store.put_file(segment_prefix(name) + path.name, path)
        files.append(IndexFile(path=info.key, bytes=info.size_bytes, sha256=info.sha256.hex()))
    return Segment(
        segment_id=name,
        bucket=bucket,
        rows=writer.rows,
        files=tuple(files),
        indices=tuple(VectorIndex(modality=modality, kind=EXACT) for modality in Modality),
    )


def _binary(vectors: Halves) -> pa.ChunkedArray[Any]:
    kind = pa.binary(2 * vectors.shape[1])
    buffer = pa.py_buffer(np.ascontiguousarray(vectors).tobytes())
    return pa.chunked_array([pa.Array.from_buffers(kind, len(vectors), [None, buffer])])


def _vectors(draw: np.random.Generator, count: int) -> Mapping[Modality, Halves]:
    """Returns vectors in clusters, those of a pair near each other."""
    centres = draw.normal(size=(12, DIMENSIONS))
    images = centres[draw.integers(0, len(centres), count)] + 0.3 * draw.normal(size=(count, DIMENSIONS))
    texts = images + 0.3 * draw.normal(size=images.shape)
    return {
        modality: (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
        for modality, rows in ((Modality.IMAGE, images), (Modality.TEXT, texts))
    }


def _samples(draw: np.random.Generator, bucket: str, count: int) -> pa.Table:
    ids = draw.integers(0, 2**63, size=(count, 2), dtype=np.uint64)
    ids = ids[np.lexsort((ids[:, 1], ids[:, 0]))]
    looks = draw.integers(0, 2**63, count // 4 + 1, dtype=np.uint64)
    columns: dict[str, Any] = {
        "sample_id": array_of(ids),
        "url": [f"http://h{number % 37}.example/{number}.jpg" for number in range(count)],
        "text": [" ".join(WORDS[word] for word in row) for row in draw.integers(0, len(WORDS), (count, 3))],
        "language": draw.choice(LANGUAGES[bucket], count),
        "verdict": draw.choice(["kept", "filtered"], count, p=[0.8, 0.2]),
        "reason": draw.choice(["", "low_similarity", "unsafe"], count),
        "host": [f"h{number}.example" for number in draw.zipf(1.6, count) % 500],
        "crawl": draw.choice(["CC-MAIN-2024-10", "CC-MAIN-2024-18"], count),
        "licence": draw.choice(["", "CC0", "CC BY 4.0"], count, p=[0.9, 0.05, 0.05]),
        "width": draw.integers(64, 3000, count).astype(np.int32),
        "height": draw.integers(0, 3000, count).astype(np.int32),
        "phash": _some(draw, looks[draw.integers(0, len(looks), count)]),
        "cluster_id": array_of(ids),
        "md5": [f"{number:032x}" for number in range(count)],
        "fetched_at": _some(draw, draw.integers(1_700_000_000, 1_730_000_000, count) * 1_000_000),
        "shard": draw.choice(["", "shards/a.tar"], count),
        "tar_offset": draw.integers(512, 10**9, count),
        "tar_size": draw.integers(100, 10**6, count),
        "data_file": ["data/part-0.parquet"] * count,
        "data_row": np.arange(count),
        "shard_index": ["shards/a.parquet"] * count,
    }
    for name, low, high in (
        ("similarity", -0.3, 0.5),
        ("unsafe_score", 0, 1),
        ("watermark_score", 0, 1),
        ("aesthetic_score", 0, 10),
        ("toxicity", 0, 1),
    ):
        columns[name] = _some(draw, np.round(draw.uniform(low, high, count), 2).astype(np.float32))
    return pa.Table.from_arrays([_array(columns[field.name], field) for field in SAMPLES], schema=SAMPLES)


def _array(values: Any, field: pa.Field[Any]) -> Any:
    array: Any = values if isinstance(values, pa.Array) else pa.array(list(values))
    if pa.types.is_dictionary(field.type):
        return pc.cast(array, pa.string()).dictionary_encode()
    return array if array.type == field.type else array.cast(field.type)


def _some(draw: np.random.Generator, values: npt.NDArray[Any]) -> pa.Array[Any]:
    """Returns values of which one in ten is null."""
    some: pa.Array[Any] = pa.array(values, mask=draw.random(len(values)) < 0.1)
    return some
