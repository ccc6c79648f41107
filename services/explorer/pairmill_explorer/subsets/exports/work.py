"""Carrying out an export: choosing, writing what does not stand yet, the manifest last.

Everything that is written follows from the job, so an export that was cut off is gone on with by doing it
again: parts that stand are passed over, all others get the bytes that they would have got.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from pairmill import __version__
from pairmill.clock import Clock
from pairmill.errors import PairmillError, RetriableError
from pairmill.idarrays import Words, ascending, words_of_bytes
from pairmill.ids import ID_BYTES
from pairmill.store.port import ObjectStore
from pairmill_explorer.datasets.served import Snapshot
from pairmill_explorer.subsets.choice import total
from pairmill_explorer.subsets.cut import Cut, cut_of, with_images
from pairmill_explorer.subsets.exports import layout
from pairmill_explorer.subsets.exports.idfile import write_ids
from pairmill_explorer.subsets.exports.job import (
    End,
    EndRecord,
    ExportJob,
    Format,
    JobShelf,
    PartRecord,
    WrittenFile,
)
from pairmill_explorer.subsets.exports.manifest import (
    Counts,
    SubsetManifest,
    encoded,
    new_manifest,
    read_subset,
)
from pairmill_explorer.subsets.exports.meter import Meter
from pairmill_explorer.subsets.exports.rates import Rate, note_rate
from pairmill_explorer.subsets.exports.samples import SampleWriter
from pairmill_explorer.subsets.exports.sink import Sink
from pairmill_explorer.subsets.exports.urls import UrlWriter
from pairmill_explorer.subsets.exports.webdataset import WebDatasetWriter
from pairmill_explorer.subsets.exports.writers import PartWriter, Target
from pairmill_explorer.subsets.order import Places, ids_of, in_parts
from pairmill_explorer.subsets.recipe import Checked
from pairmill_explorer.subsets.segments import Flags, ids_at, runs
from pairmill_index.opened import OpenIndex

Newest = Callable[[], AbstractContextManager[OpenIndex]]
"""Opens the index version that serves now."""

_WRITERS: Final[dict[Format, Callable[[Target, Sequence[Flags]], PartWriter]]] = {
    Format.PARQUET: SampleWriter,
    Format.WEBDATASET: WebDatasetWriter,
    Format.URLS: UrlWriter,
}


class ExportEndedError(PairmillError):
    """An export cannot be completed as it was asked for; says what to do instead.

    What it wrote is to be removed: no export goes on with it, and it may hold what was taken down.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """An export at work, of the index version that its snapshot has."""

    snapshot: Snapshot
    checked: Checked
    job: ExportJob
    store: ObjectStore  # where it is written
    scratch: Path  # folder of this export alone, for files on their way
    newest: Newest
    meter: Meter
    check: Callable[[], None]  # raises to end the work
    clock: Clock

    def run(self) -> EndRecord:
        """Writes what does not stand yet and returns how the export ended, which is noted."""
        shelf, started = JobShelf(self.store), self.clock.monotonic()
        manifest = read_subset(self.store, self.job.export_id)
        seconds = 0.0
        if manifest is None:
            manifest, seconds = self._written(shelf)
        end = EndRecord(
            state=End.COMPLETE,
            ended_at=self.clock.now().isoformat(),
            rows=manifest.counts.written,
            bytes=manifest.bytes,
            without_image=manifest.counts.without_image,
            seconds=seconds + self.clock.monotonic() - started,
        )
        shelf.note_end(self.job, end)
        shelf.forget_parts(self.job.export_id)
        if self.job.format is Format.WEBDATASET:
            note_rate(self.store, Rate(export_id=self.job.export_id, bytes=end.bytes, seconds=end.seconds))
        return end

    @property
    def _sink(self) -> Sink:
        return Sink(self.store, self.job.export_id, self.scratch)

    def _written(self, shelf: JobShelf) -> tuple[SubsetManifest, float]:
        """Returns the manifest, and the seconds of work that went into parts which stood before."""
        cut = cut_of(self.snapshot, self.checked, self.check)
        chosen = cut.chosen
        if self.job.format is Format.WEBDATASET:
            chosen = with_images(self.snapshot, chosen)
        standing = self._standing(shelf)
        self.meter.begin(
            total=total(chosen),
            standing=sum(part.rows for part in standing.values()),
            standing_bytes=sum(part.bytes for part in standing.values()),
            without_image=cut.samples - total(chosen),
        )
        parts = self._parts(shelf, chosen, standing)
        ids = self._ids(chosen, parts)
        self._refuse_what_was_removed(chosen)
        manifest = self._manifest(cut, chosen, parts, ids)
        self.check()
        there = shelf.files_there(self.job.export_id)
        if gone := _gone(manifest.files, there):
            raise RetriableError(f"{gone[0]} was removed meanwhile; try again")
        self._remove_others(manifest, there)
        self.store.put(layout.manifest_key(self.job.export_id), encoded(manifest))
        return manifest, sum(part.seconds for part in standing.values())

    def _remove_others(self, manifest: SubsetManifest, there: Mapping[str, int]) -> None:
        """Removes files of parts that the export has no more; a manifest may be there of who was first."""
        folder, manifest_key = layout.folder(self.job.export_id), layout.manifest_key(self.job.export_id)
        others = {folder + path for path in there.keys() - {file.path for file in manifest.files}}
        self.store.delete_all(sorted(others - {manifest_key}))

    def _standing(self, shelf: JobShelf) -> dict[int, PartRecord]:
        """Returns the parts that are noted and whose files are there."""
        noted = shelf.parts(self.job.export_id)
        there = shelf.files_there(self.job.export_id) if noted else {}
        return {number: part for number, part in noted.items() if not _gone(part.files, there)}

    def _parts(
        self, shelf: JobShelf, chosen: Sequence[Flags], standing: dict[int, PartRecord]
    ) -> list[PartRecord]:
        make = _WRITERS.get(self.job.format)
        if make is None:
            return []
        target = Target(
            job=self.job,
            index=self.snapshot.index,
            source=self.snapshot.store,
            sink=self._sink,
            check=self.check,
            advance=self.meter.advance,
        )
        with closing(make(target, chosen)) as writer:
            stands = self._stands(standing)
            return _in_turn(writer, self.job.shard_samples, stands, self._noted(shelf, writer))

    def _stands(self, standing: dict[int, PartRecord]) -> Callable[[int, Places], PartRecord | None]:
        """Returns what finds the part that stands for some rows.

        Scores of a query may differ in their last digits from machine to machine, and rows at its edge with
        them: then the parts behind hold other rows than they are to hold now.
        """

        def found(number: int, places: Places) -> PartRecord | None:
            part = standing.get(number)
            return part if part is not None and part.chosen == self._chosen(places) else None

        return found

    def _chosen(self, places: Places) -> str:
        ids = np.ascontiguousarray(ids_of(self.snapshot.index.segments, places), dtype="<u8")
        return hashlib.sha256(ids.tobytes()).hexdigest()

    def _noted(self, shelf: JobShelf, writer: PartWriter) -> Callable[[int, Places], PartRecord]:
        def write(number: int, places: Places) -> PartRecord:
            self.check()
            started = self.clock.monotonic()
            part = writer.write(number, places)
            seconds = self.clock.monotonic() - started
            part = msgspec.structs.replace(part, seconds=seconds, chosen=self._chosen(places))
            self.check()  # what was cancelled meanwhile is not noted
            shelf.note_part(self.job.export_id, part)
            return part

        return write

    def _ids(self, chosen: Sequence[Flags], parts: Sequence[PartRecord]) -> WrittenFile:
        without = _words([key for part in parts for key in part.corrupt])
        count = total(chosen) - len(without)
        segments = self.snapshot.index.segments
        written = self._sink.put(
            layout.IDS,
            count,
            lambda file: write_ids(file, segments, chosen, count, without),
        )
        if self.job.format is Format.IDS:
            self.meter.advance(count, written.bytes)
        return written

    def _refuse_what_was_removed(self, chosen: Sequence[Flags]) -> None:
        """Raises ExportEndedError where samples were taken down while the export was written (G8)."""
        with self.newest() as index:
            if index.version == self.snapshot.index.version:
                return
            gone = sum(
                int(np.count_nonzero(~_among(index, ids_at(segment, rows))))
                for segment, flags in zip(self.snapshot.index.segments, chosen, strict=True)
                for rows in runs(flags)
            )
        if gone:
            raise ExportEndedError(
                f"{gone:,} of its samples were removed while it was written; start the export again"
            )

    def _manifest(
        self, cut: Cut, chosen: Sequence[Flags], parts: Sequence[PartRecord], ids: WrittenFile
    ) -> SubsetManifest:
        corrupt = tuple(key for part in parts for key in part.corrupt)
        counts = Counts(
            matching=cut.matching,
            chosen=cut.samples,
            written=ids.rows,
            without_image=cut.samples - total(chosen),
            corrupt=len(corrupt),
        )
        files = (*(file for part in parts for file in part.files), ids)
        return new_manifest(self.job, counts, files, corrupt, __version__)


def _in_turn(
    writer: PartWriter,
    size: int,
    stands: Callable[[int, Places], PartRecord | None],
    write: Callable[[int, Places], PartRecord],
) -> list[PartRecord]:
    """Returns all parts in order, those that stand and those that were written now, a few at once."""
    parts: list[PartRecord] = []
    waiting: deque[Future[PartRecord]] = deque()
    with ThreadPoolExecutor(writer.at_once, thread_name_prefix="export-part") as pool:
        try:
            for number, places in enumerate(in_parts(writer.places(), size)):
                if (part := stands(number, places)) is not None:
                    parts.append(part)
                    continue
                waiting.append(pool.submit(write, number, places))
                if len(waiting) > writer.at_once:
                    parts.append(waiting.popleft().result())
            parts.extend(future.result() for future in waiting)
        finally:
            for future in waiting:
                future.cancel()
    return sorted(parts, key=lambda part: part.number)


def _gone(files: Iterable[WrittenFile], there: Mapping[str, int]) -> list[str]:
    """Returns the files that are not there as they were written."""
    return [file.path for file in files if there.get(file.path) != file.bytes]


def _among(index: OpenIndex, ids: Words) -> Flags:
    """Returns which ids an index still has."""
    found = np.zeros(len(ids), dtype=np.bool_)
    for segment in index.segments:
        found |= segment.find(ids) >= 0
    return found


def _words(keys: Sequence[str]) -> Words:
    """Returns ids from hex digits, ascending."""
    ids = words_of_bytes(bytes.fromhex("".join(keys)), ID_BYTES)
    return ids[ascending(ids)]
