"""Building an index version of a dataset: two passes over its rows, then one vector index at a time."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pairmill import __version__
from pairmill.dataset import roles
from pairmill.dataset.lineage import lineage_of
from pairmill.dataset.reader import Dataset
from pairmill.errors import ConfigurationError
from pairmill.idarrays import partition_of, words_of
from pairmill.spill import PartitionSpill
from pairmill.store.port import ObjectStore
from pairmill_index.columns import WORDS
from pairmill_index.join import joined, merged_parts, sample_columns
from pairmill_index.layout import segment_prefix
from pairmill_index.manifest import EXACT, IndexFile, IndexVersion, Modality, Segment, VectorIndex
from pairmill_index.options import BuildOptions
from pairmill_index.progress import Progress, no_progress
from pairmill_index.publish import publish
from pairmill_index.scatter import DATA, EmbeddedRows, data_rows, embedded_schema
from pairmill_index.words import Vocabulary
from pairmill_index.writing import SegmentWriter

_COLUMN_BYTES: Final = 600  # of a row of `data/` in memory, about


@dataclass(slots=True)
class _Scattered:
    """What the first pass left on scratch disk."""

    embedded: PartitionSpill
    data: PartitionSpill
    words: Vocabulary
    sources: list[str]


def build_index(
    dataset: Dataset,
    store: ObjectStore,
    options: BuildOptions,
    *,
    scratch: Path,
    progress: Progress = no_progress,
) -> IndexVersion:
    """Builds an index of all samples of a dataset, publishes it in its store, and returns it.

    `scratch` is a folder with room for the dataset's embeddings twice; what is written there is removed.
    Raises ConfigurationError for a dataset without embeddings.
    """
    with tempfile.TemporaryDirectory(prefix="index-", dir=scratch) as folder:
        work = Path(folder)
        scattered = _scatter(dataset, options, work, progress)
        segments = tuple(
            _stored(store, bucket, writer) for bucket, writer in _written(dataset, scattered, work)
        )
    version = _version(dataset, segments, scattered.sources)
    publish(store, version)
    return version


def _scatter(dataset: Dataset, options: BuildOptions, work: Path, progress: Progress) -> _Scattered:
    dimensions = int(dataset.manifest.bundle["dimensions"])
    total = sum(entry.rows for entry in dataset.files(roles.EMBEDDING_METADATA))
    row_bytes = 4 * dimensions + _COLUMN_BYTES
    partitions = max(1, -(-total * row_bytes * 4 // options.memory_bytes))
    share = options.memory_bytes // 16
    found = _Scattered(
        embedded=PartitionSpill(work, embedded_schema(dimensions), max_rows=total + 1, max_bytes=share),
        data=PartitionSpill(work, DATA, max_rows=total + 1, max_bytes=share),
        words=Vocabulary(tuple(WORDS)),
        sources=[],
    )
    for table in _data(dataset, options):
        for name, source in WORDS.items():
            if source in table.column_names:
                found.words.add(name, table[source])
        found.data.add(table, partition_of(words_of(table["id"].combine_chunks()), partitions))
    done = 0
    for number, table in _embedded(dataset, dimensions):
        found.words.add("host", table["host"])
        found.words.add("shard_index", table["shard_index"])
        found.embedded.add(table, partition_of(words_of(table["id"].combine_chunks()), partitions))
        found.sources.append(number)
        done += len(table)
        progress("reading", done, total)
    return found


def _data(dataset: Dataset, options: BuildOptions) -> Iterator[pa.Table]:
    for entry in dataset.files(roles.SAMPLES):
        yield from data_rows(dataset, entry, only_kept=options.only_kept)


def _embedded(dataset: Dataset, dimensions: int) -> Iterator[tuple[str, pa.Table]]:
    lineage = lineage_of(dataset)
    reader = EmbeddedRows(
        dataset, {entry.path: entry for entry in dataset.files(roles.SHARD_INDEX)}, dimensions
    )
    for files in dataset.embeddings():
        yield files.number, reader.read(files, lineage.rank(files.metadata))


def _written(dataset: Dataset, scattered: _Scattered, work: Path) -> Iterator[tuple[str, SegmentWriter]]:
    """Yields each bucket with its written segment."""
    dimensions = int(dataset.manifest.bundle["dimensions"])
    writers: dict[str, SegmentWriter] = {}
    for embedded, data in merged_parts(scattered.embedded.parts(), scattered.data.parts()):
        rows = joined(embedded, data)
        for bucket in sorted({str(name) for name in rows["bucket"].unique().to_pylist()}):
            own = rows.filter(pc.field("bucket") == bucket)
            if bucket not in writers:
                writers[bucket] = SegmentWriter(work / f"segment-{bucket}", dimensions)
            vectors = {modality: own[modality.value] for modality in Modality}
            writers[bucket].add(sample_columns(own, scattered.words), vectors)
    if not writers:
        raise ConfigurationError(f"{dataset.source}: the dataset has no samples with embeddings to index")
    for bucket, writer in sorted(writers.items()):
        writer.close()
        yield bucket, writer


def _stored(store: ObjectStore, bucket: str, writer: SegmentWriter) -> Segment:
    name = f"{bucket}-{secrets.token_hex(8)}"
    files = []
    for path in writer.paths():
        info = store.put_file(segment_prefix(name) + path.name, path)
        files.append(IndexFile(path=info.key, bytes=info.size_bytes, sha256=info.sha256.hex()))
    indices = tuple(VectorIndex(modality=modality, kind=EXACT) for modality in Modality)
    return Segment(segment_id=name, bucket=bucket, rows=writer.rows, files=tuple(files), indices=indices)


def _version(dataset: Dataset, segments: tuple[Segment, ...], sources: list[str]) -> IndexVersion:
    bundle = dataset.manifest.bundle
    return IndexVersion(
        dataset_version=dataset.manifest.version,
        bundle_digest=str(bundle["digest"]),
        model=f"{bundle.get('name', '')} {bundle.get('revision', '')}".strip(),
        dimensions=int(bundle["dimensions"]),
        segments=segments,
        sources=tuple(sorted(sources)),
        code_version=__version__,
    )
