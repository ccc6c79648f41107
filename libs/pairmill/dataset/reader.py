"""Reading a dataset through its manifest, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.dataset import roles
from pairmill.dataset.ledger_file import LedgerRow, read_ledger
from pairmill.dataset.manifest import MANIFEST_NAME, FileEntry, Manifest
from pairmill.dataset.manifest_files import ManifestReader, open_manifest
from pairmill.dataset.source import DatasetFiles
from pairmill.errors import CorruptObjectError
from pairmill.store.port import ObjectStore

BATCH_ROWS: Final = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingFiles:
    """Three row-aligned files of one shard."""

    number: str  # the `<n>` of their names
    image: FileEntry
    text: FileEntry
    metadata: FileEntry


@dataclass(frozen=True, slots=True)
class Dataset:
    """A finished dataset. Listings are never read, only what the manifest names."""

    source: DatasetFiles
    index: ManifestReader

    @classmethod
    def open(cls, where: Path | ObjectStore, name: str = MANIFEST_NAME) -> Dataset:
        """Opens the dataset in a folder or store; raises ConfigurationError where there is none."""
        index = open_manifest(where, name)
        return cls(index.source, index)

    @property
    def manifest(self) -> Manifest:
        """The manifest, without the files that stand in its parts."""
        return self.index.manifest

    def files(self, *wanted: str) -> Iterator[FileEntry]:
        """Yields the files of these roles, or all, sorted by path."""
        return self.index.files(*wanted)

    def samples(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yields the rows of `data/`: every downloaded sample with scores and verdict."""
        return self.rows(roles.SAMPLES, columns)

    def shard_index(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yields one row per candidate that ended in a download unit, failures too."""
        return self.rows(roles.SHARD_INDEX, columns)

    def rows(self, role: str, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yields the rows of all parquet files of a role."""
        for entry in self.files(role):
            yield from self.batches(entry, columns)

    def batches(self, entry: FileEntry, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yields the rows of one parquet file; raises CorruptObjectError if these columns cannot be read."""
        with self.parquet(entry) as file:
            missing = sorted(set(columns or ()) - set(file.schema_arrow.names))
            if missing:
                raise CorruptObjectError(f"{entry.path} has no column {', '.join(missing)}")
            try:
                names = list(columns) if columns is not None else None
                yield from file.iter_batches(batch_size=BATCH_ROWS, columns=names)
            except (pa.ArrowException, OSError) as error:
                raise CorruptObjectError(f"{entry.path} cannot be read: {error}") from error

    @contextmanager
    def parquet(self, entry: FileEntry) -> Iterator[pq.ParquetFile]:
        """Gives an open parquet file; raises CorruptObjectError if it is none."""
        with self.source.local(entry.path) as path, pa.memory_map(str(path)) as mapped:
            try:
                file = pq.ParquetFile(mapped)
            except (pa.ArrowException, OSError) as error:
                raise CorruptObjectError(f"{entry.path} is no parquet file: {error}") from error
            yield file

    def ledger(self) -> Iterator[LedgerRow]:
        """Yields the counted records of all jobs that made this dataset, each job's in ledger order."""
        for entry in self.files(roles.LEDGER):
            with self.source.local(entry.path) as path:
                yield from read_ledger(path)

    def embeddings(self) -> Iterator[EmbeddingFiles]:
        """Yields the embedding files that exist in threes, in order of their names."""
        by_role = {
            role: {number_of(entry): entry for entry in self.files(role)}
            for role in (roles.IMAGE_EMBEDDINGS, roles.TEXT_EMBEDDINGS, roles.EMBEDDING_METADATA)
        }
        images, texts, metadata = by_role.values()
        for number in sorted(images.keys() & texts.keys() & metadata.keys()):
            yield EmbeddingFiles(
                number=number, image=images[number], text=texts[number], metadata=metadata[number]
            )


_EMBEDDING_PREFIXES: Final = {
    roles.IMAGE_EMBEDDINGS: "img_emb_",
    roles.TEXT_EMBEDDINGS: "text_emb_",
    roles.EMBEDDING_METADATA: "metadata_",
}


def number_of(entry: FileEntry) -> str:
    """Returns the `<n>` of an embedding file's name, which its two companions share."""
    name = entry.path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return name.removeprefix(_EMBEDDING_PREFIXES[entry.role])


def job_of(entry: FileEntry) -> str:
    """Returns the job that wrote a file: names of units' outputs begin with it (U4)."""
    name = entry.path.rsplit("/", 1)[-1]
    for prefix in _EMBEDDING_PREFIXES.values():
        name = name.removeprefix(prefix)
    return name.split(".", 1)[0]
