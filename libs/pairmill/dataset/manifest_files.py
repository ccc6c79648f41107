"""The list of a dataset's files, whether it stands in `dataset.json` or beside it (600,000 shards)."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pairmill.dataset.manifest import MANIFEST_NAME, FileEntry, Manifest, parse_entry, parse_manifest
from pairmill.dataset.roles import MANIFEST_PART
from pairmill.dataset.source import DatasetFiles, files_of
from pairmill.errors import ConfigurationError, CorruptObjectError, InvalidRecordError, ObjectMissingError
from pairmill.schemas import versioned
from pairmill.store.port import ObjectStore
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef

MAX_INLINE_FILES: Final = 10_000
PART_FILES: Final = 50_000

_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("path", pa.string()),
    pa.field("role", pa.string()),
    pa.field("rows", pa.int64()),
    pa.field("bytes", pa.int64()),
    pa.field("sha256", pa.string()),
]

MANIFEST_FILES: Final = pa.schema(_FIELDS)
"""Role `manifest_part`: the manifest's `files`, sorted by path."""


@dataclass(frozen=True, slots=True)
class ManifestReader:
    """A manifest with all its files, wherever they are listed."""

    manifest: Manifest
    source: DatasetFiles

    def files(self, *roles: str) -> Iterator[FileEntry]:
        """Yields the files of the given roles, or all but the manifest's parts, sorted by path."""
        for entry in self._all():
            if not roles or entry.role in roles:
                yield entry

    def _all(self) -> Iterator[FileEntry]:
        for entry in self.manifest.files:
            if entry.role == MANIFEST_PART:
                yield from read_part(self.source, entry)
            else:
                yield entry


def open_manifest(where: Path | ObjectStore, name: str = MANIFEST_NAME) -> ManifestReader:
    """Returns the manifest of a dataset in a folder or store.

    Raises ConfigurationError where there is no finished dataset, InvalidRecordError if the manifest
    cannot be read.
    """
    return manifest_in(files_of(where), name)


def manifest_in(source: DatasetFiles, name: str = MANIFEST_NAME) -> ManifestReader:
    """Returns the manifest of a dataset whose files these are; raises like `open_manifest`."""
    try:
        data = source.read(name)
    except ObjectMissingError as error:
        raise ConfigurationError(f"{source}: there is no finished dataset here (no {name})") from error
    return ManifestReader(parse_manifest(data), source)


def split_manifest(manifest: Manifest, limit: int = MAX_INLINE_FILES) -> tuple[Manifest, dict[str, bytes]]:
    """Returns the manifest to write, and the parts to store before it if it lists over `limit` files.

    Names and bytes of the parts follow from the content, so any number of writers may write them.
    """
    if len(manifest.files) <= limit:
        return manifest, {}
    parts, entries = {}, []
    for number, start in enumerate(range(0, len(manifest.files), PART_FILES)):
        files = manifest.files[start : start + PART_FILES]
        path = f"manifest/part-{manifest.version[:16]}-{number:05d}.parquet"
        data = _part_bytes(files)
        parts[path] = data
        digest = hashlib.sha256(data).hexdigest()
        entries.append(
            FileEntry(path=path, role=MANIFEST_PART, rows=len(files), bytes=len(data), sha256=digest)
        )
    return replace(manifest, files=tuple(entries)), parts


def write_manifest(store: ObjectStore, manifest: Manifest, name: str = MANIFEST_NAME) -> ObjectRef:
    """Stores a manifest, its parts first; returns its reference. The last thing that a job writes."""
    short, parts = split_manifest(manifest)
    for path, data in parts.items():
        store.put(path, data)
    data = short.to_json()
    store.put(name, data)
    return ObjectRef(key=name, bytes=len(data), sha256=hashlib.sha256(data).digest(), role="manifest")


def read_part(source: DatasetFiles, entry: FileEntry) -> Iterator[FileEntry]:
    """Yields the files that a part lists; raises CorruptObjectError if it is not as it was written."""
    data = source.read(entry.path)
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise CorruptObjectError(f"{entry.path} does not have the checksum that the manifest states")
    try:
        for batch in pq.ParquetFile(io.BytesIO(data)).iter_batches(columns=MANIFEST_FILES.names):
            for row in batch.to_pylist():
                yield parse_entry(row)
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise InvalidRecordError(f"{entry.path} cannot be read: {error}") from error


def _part_bytes(files: tuple[FileEntry, ...]) -> bytes:
    table = pa.Table.from_pylist([entry.as_dict() for entry in files], schema=versioned(MANIFEST_FILES))
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()
