"""Adding a dataset's new samples to its index: a new segment, and new columns where `data/` changed.

No old vector is read, and lists share the training of the segment before. Where by now there is room for
smaller codes only, they are trained with such, and old ones keep theirs until the next compaction. Verdicts,
clusters and places may differ in a new version of the dataset, so the columns of old segments are then
written anew, which reads `data/` once. A sample that is gone from the dataset, or whose image was fetched
again, counts no more in its old segment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pairmill import __version__
from pairmill.dataset.reader import Dataset
from pairmill.errors import ConfigurationError
from pairmill.store.port import ObjectStore
from pairmill_index.added_rows import AddedRows
from pairmill_index.assemble import Assembler, Shared
from pairmill_index.build import noted_unpaired, samples_digest, version_of
from pairmill_index.contest import Contest
from pairmill_index.files import LocalFiles
from pairmill_index.layout import ROWS
from pairmill_index.lists_build import ListsBuilder
from pairmill_index.manifest import IndexVersion, Segment, Unpaired
from pairmill_index.merge import served_rows
from pairmill_index.old import OldSegment
from pairmill_index.options import cores
from pairmill_index.passes import RowReader
from pairmill_index.pending import PendingSegment, settle
from pairmill_index.progress import Progress, no_progress
from pairmill_index.publish import changing, current_of, read_version
from pairmill_index.removed import read_removed
from pairmill_index.workplace import workplace

_Pending = Mapping[str, PendingSegment]


def add_samples(
    dataset: Dataset,
    store: ObjectStore,
    *,
    scratch: Path,
    progress: Progress = no_progress,
    threads: int = 0,
) -> IndexVersion:
    """Adds what a dataset has and its index has not, publishes the new version and returns it.

    Returns the version that serves where there is nothing to add. Raises NoIndexError where there is no index
    yet, ConfigurationError where the dataset's vectors are of another model, and IndexRefusedError where the
    new lists find too little; then the old version keeps serving.
    """
    with changing(store), workplace(scratch) as folder:
        current = current_of(store)
        base = read_version(store, current)
        settle(store, base)
        _check_model(dataset, base)
        if dataset.manifest.version == base.dataset_version:
            return base
        files = LocalFiles(store, folder / "old")
        addition = _Addition(
            reader=RowReader(dataset, progress),
            store=store,
            base=base,
            old=[OldSegment(segment=one, files=files, dimensions=base.dimensions) for one in base.segments],
            work=folder,
            builder=ListsBuilder(base.options, progress, threads=threads or cores()),
        )
        pending = {**addition.refreshed_pending(), **addition.added_pending()}
        contest = Contest(
            store=store,
            base=current,
            served=base,
            pending=pending.values(),
            work=folder,
            progress=progress,
        )
        return contest.publish(addition.version(pending))


def _check_model(dataset: Dataset, base: IndexVersion) -> None:
    bundle = dataset.manifest.bundle
    found = (str(bundle.get("digest", "")), int(bundle.get("dimensions", 0)))
    if found != (base.bundle_digest, base.dimensions):
        raise ConfigurationError(
            f"{dataset.source}: its vectors are of the bundle {found[0][:12]} with {found[1]} dimensions, "
            f"those of its index of {base.bundle_digest[:12]} with {base.dimensions}: build the index anew"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Addition:
    """One addition."""

    reader: RowReader
    store: ObjectStore
    base: IndexVersion
    old: list[OldSegment]
    work: Path
    builder: ListsBuilder

    def refreshed_pending(self) -> _Pending:
        """Returns the old segments that get new columns, by their id; none where `data/` is the same."""
        if samples_digest(self.reader.dataset) == self.base.samples_digest:
            return {}
        return {one.segment_id: self._pending(one.bucket, one.segment_id) for one in self.base.segments}

    def added_pending(self) -> _Pending:
        """Returns the segments of new samples, by their bucket."""
        return {bucket: self._pending(bucket, "added") for bucket in self.reader.buckets()}

    def _pending(self, bucket: str, what: str) -> PendingSegment:
        made_from = ("add", __version__, what, self.base.version(), self.reader.dataset.manifest.version)
        return PendingSegment(self.store, bucket, made_from)

    def version(self, pending: _Pending) -> IndexVersion:
        """Returns the version to publish, with all its segments stored."""
        stored = {name: done.segment for name, one in pending.items() if (done := one.finished()) is not None}
        missing = {name: one for name, one in pending.items() if name not in stored}
        if missing:
            stored |= self._made(missing)
        segments = [stored.get(one.segment_id) or one for one in self.base.segments]
        added = [found for bucket in self.reader.buckets() if (found := stored[bucket]) is not None]
        version = version_of(
            self.reader.dataset,
            [*segments, *added],
            self.base.options,
            sources=self.reader.numbers(),
            removed=self.base.removed,
            removed_rows=self.base.removed_rows,
        )
        return msgspec.structs.replace(
            version, served_rows=self._served_rows(version), unpaired=noted_unpaired(pending.values())
        )

    def _served_rows(self, version: IndexVersion) -> int:
        files = LocalFiles(self.store, self.work / "old")
        segments = [
            OldSegment(segment=one, files=files, dimensions=version.dimensions) for one in version.segments
        ]
        return served_rows(segments, read_removed(self.store, version.removed))

    def _made(self, missing: _Pending) -> dict[str, Segment | None]:
        """Writes and stores the segments that are missing."""
        rows = AddedRows(
            reader=self.reader,
            base=self.base,
            old=self.old,
            removed=read_removed(self.store, self.base.removed),
            work=self.work,
        )
        rows.write(refreshed=[one for one in self.old if one.segment.segment_id in missing])
        for one in missing.values():
            one.unpaired = self._unpaired(rows)
        made: dict[str, Segment | None] = {}
        for name, one in missing.items():
            if name in rows.tables:
                made[name] = self._put_refreshed(one, name, rows.tables[name], rows.gone[name])
            elif name in rows.writers:
                made[name] = self._put_added(one, name, rows)
            else:
                one.put_nothing()
                made[name] = None
        return made

    def _unpaired(self, rows: AddedRows) -> Unpaired | msgspec.UnsetType:
        """Returns what was counted; of embeddings that were not read again, what the base says."""
        if self.base.options.only_kept:
            return rows.counter.counted()  # it read all that are in no segment
        known = self.base.unpaired
        return known if known is msgspec.UNSET else rows.counter.counted(known.embeddings)

    def _put_refreshed(self, pending: PendingSegment, name: str, table: Path, gone: int) -> Segment:
        old = next(one for one in self.old if one.segment.segment_id == name)
        kept = tuple(file for file in old.segment.files if file != old.file(ROWS))
        return pending.put(msgspec.structs.replace(old.segment, files=kept, gone_rows=gone), [table])

    def _put_added(self, pending: PendingSegment, bucket: str, rows: AddedRows) -> Segment:
        writer = rows.writers[bucket]
        assembler = Assembler(
            store=self.store,
            options=self.base.options,
            dimensions=self.base.dimensions,
            total_rows=self.base.rows + sum(one.rows for one in rows.writers.values()),
            builder=self.builder,
        )
        return assembler.assemble(pending, bucket, writer, self._shared(bucket))

    def _shared(self, bucket: str) -> Shared:
        """Returns the lists whose training new ones share: those of the bucket's largest segment."""
        own = [one for one in self.old if one.segment.bucket == bucket]
        return max(own, key=lambda one: one.segment.rows).lists() if own else {}
