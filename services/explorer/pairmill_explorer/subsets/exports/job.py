"""What an export is to be, which of its parts stand, and how it ended."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec

from pairmill.errors import CorruptObjectError, ObjectMissingError
from pairmill.store.port import ObjectStore
from pairmill_explorer.subsets.exports import layout

SCHEMA_VERSION: Final = 1
MIN_SHARD_SAMPLES: Final = 100
MAX_SHARD_SAMPLES: Final = 1_000_000
DEFAULT_SHARD_SAMPLES: Final = 10_000

Record = TypeVar("Record", bound=msgspec.Struct)


class Format(StrEnum):
    """How a subset is written."""

    PARQUET = "parquet"
    WEBDATASET = "webdataset"
    IDS = "ids"
    URLS = "urls"


class End(StrEnum):
    """How an export ended."""

    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ExportHead(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of exports shows of what one is to be."""

    export_id: str
    name: str
    revision: int
    format: Format
    dataset_version: str
    started_at: str  # for display


class ExportJob(ExportHead, frozen=True, kw_only=True):
    """What an export is to be: everything that its bytes follow from."""

    recipe: dict[str, Any]
    recipe_digest: str
    shard_samples: int
    dataset_job: str
    index_version: str
    model: str
    schema_version: int = SCHEMA_VERSION

    @property
    def head(self) -> ExportHead:
        """What a list shows of it."""
        return ExportHead(**{name: getattr(self, name) for name in ExportHead.__struct_fields__})


class WrittenFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of an export."""

    path: str  # in the export's folder
    rows: int
    bytes: int
    sha256: str


class PartRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A part that stands."""

    number: int
    rows: int
    files: tuple[WrittenFile, ...]
    corrupt: tuple[str, ...] = ()  # samples left out because their stored bytes are damaged
    seconds: float = 0.0  # that it took
    chosen: str = ""  # SHA-256 of the ids of its rows in their order, those left out included

    @property
    def bytes(self) -> int:
        """Bytes of its files."""
        return sum(file.bytes for file in self.files)


class EndRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How an export ended."""

    state: End
    ended_at: str
    error: str = ""
    rows: int = 0
    bytes: int = 0
    without_image: int = 0
    seconds: float = 0.0  # of work
    head: ExportHead | None = None  # of the export, so that a list reads one object of each


def export_id_of(
    recipe_digest: str, dataset_version: str, index_version: str, form: Format, size: int
) -> str:
    """Returns the id of an export: the same for the same cut of the same data."""
    text = "\n".join((recipe_digest, dataset_version, index_version, form, str(size)))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class JobShelf:
    """The exports of a store, as records. Thread-safe."""

    store: ObjectStore

    def job(self, export_id: str) -> ExportJob | None:
        """Returns what an export is to be, or None if there is none."""
        return self._read(layout.job_key(export_id), ExportJob)

    def all(self) -> Iterator[tuple[ExportHead, EndRecord | None]]:
        """Yields all exports with how they ended, in no order that says anything; one read of each."""
        for export_id, has_ended in self._known():
            end = self.end(export_id) if has_ended else None
            head = end.head if end is not None and end.head is not None else self.job(export_id)
            if head is not None:
                yield head, end

    def begin(self, job: ExportJob) -> ExportJob:
        """Notes an export, unless it is there; returns it. One that failed or was cancelled begins anew."""
        end = self.end(job.export_id)
        if end is not None and end.state is not End.COMPLETE:
            self.forget_end(job.export_id)
        there = self.job(job.export_id)
        if there is None:
            self._write(layout.job_key(job.export_id), job)
        return there or job

    def end(self, export_id: str) -> EndRecord | None:
        """Returns how an export ended, or None."""
        return self._read(layout.end_key(export_id), EndRecord)

    def note_end(self, job: ExportJob, end: EndRecord) -> None:
        """Notes how an export ended."""
        self._write(layout.end_key(job.export_id), msgspec.structs.replace(end, head=job.head))

    def cancel(self, job: ExportJob, ended_at: str) -> EndRecord:
        """Notes that an export was cancelled, then removes all that it wrote; returns what is noted.

        Whoever is killed in between leaves files that `remove_left` removes.
        """
        end = EndRecord(state=End.CANCELLED, ended_at=ended_at)
        self.note_end(job, end)
        self.remove_files(job.export_id)
        return end

    def remove_left(self, export_id: str, state: End) -> bool:
        """Removes what is left of an export if it has ended so; returns whether something was."""
        left = self.files_there(export_id) or any(self.store.list(layout.parts_folder(export_id)))
        end = self.end(export_id) if left else None  # looked at last: it may have been asked for again
        if end is None or end.state is not state:
            return False
        self.remove_files(export_id)
        return True

    def forget_end(self, export_id: str) -> None:
        """Lets an export that ended go on."""
        self.store.delete(layout.end_key(export_id))

    def parts(self, export_id: str) -> dict[int, PartRecord]:
        """Returns the parts that stand, by number."""
        keys = [found.key for found in self.store.list(layout.parts_folder(export_id))]
        records = (self._read(key, PartRecord) for key in keys)
        return {record.number: record for record in records if record is not None}

    def files_there(self, export_id: str) -> dict[str, int]:
        """Returns the bytes of an export's files, by their paths in its folder."""
        folder = layout.folder(export_id)
        return {found.key.removeprefix(folder): found.size_bytes for found in self.store.list(folder)}

    def note_part(self, export_id: str, part: PartRecord) -> None:
        """Notes that a part stands."""
        self._write(layout.part_record_key(export_id, part.number), part)

    def forget_parts(self, export_id: str) -> None:
        """Removes the notes about parts."""
        self.store.delete_all([found.key for found in self.store.list(layout.parts_folder(export_id))])

    def remove_files(self, export_id: str) -> None:
        """Removes all that an export wrote, its manifest first: what is left then is no export."""
        self.store.delete(layout.manifest_key(export_id))
        self.forget_parts(export_id)
        self.store.delete_all([found.key for found in self.store.list(layout.folder(export_id))])

    def _known(self) -> list[tuple[str, bool]]:
        """Returns the ids of all exports, each with whether its end is noted."""
        files: dict[str, set[str]] = {}
        for found in self.store.list(layout.JOBS):
            export_id, _, file = found.key.removeprefix(layout.JOBS).partition("/")
            files.setdefault(export_id, set()).add(file)
        return [(export_id, layout.END in names) for export_id, names in files.items() if layout.JOB in names]

    def _write(self, key: str, record: msgspec.Struct) -> None:
        self.store.put(key, msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")

    def _read(self, key: str, kind: type[Record]) -> Record | None:
        try:
            return msgspec.json.decode(self.store.get(key), type=kind)
        except ObjectMissingError:
            return None
        except msgspec.DecodeError as error:
            raise CorruptObjectError(f"{key} cannot be read: {error}") from error
