"""Building an index version of a dataset: two passes over its rows, then one vector index at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from pairmill import __version__
from pairmill.dataset import roles
from pairmill.dataset.reader import Dataset
from pairmill.errors import ConfigurationError, CorruptObjectError, ObjectMissingError
from pairmill.spill import PartitionSpill
from pairmill.store.port import ObjectStore
from pairmill_index.assemble import Assembler, SegmentWriters, by_bucket
from pairmill_index.columns import WORDS
from pairmill_index.contest import Contest
from pairmill_index.errors import IndexRefusedError
from pairmill_index.join import aligned_parts, joined, sample_columns, without_ids
from pairmill_index.lists_build import ListsBuilder
from pairmill_index.manifest import Current, IndexFile, IndexVersion, Modality, Segment, Unpaired
from pairmill_index.options import BuildOptions, cores
from pairmill_index.passes import Cut, RowReader
from pairmill_index.pending import PendingSegment, settle
from pairmill_index.progress import Progress, no_progress
from pairmill_index.publish import changing, current_or_none, read_version, removed_of
from pairmill_index.removed import read_removed
from pairmill_index.scatter import DATA, embedded_schema, parted
from pairmill_index.unpaired import ROWS, PairCounter
from pairmill_index.words import Vocabulary
from pairmill_index.workplace import workplace
from pairmill_index.writing import SegmentWriter

_Pending = Mapping[str, PendingSegment]


def build_index(
    dataset: Dataset,
    store: ObjectStore,
    options: BuildOptions,
    *,
    scratch: Path,
    progress: Progress = no_progress,
    threads: int = 0,
) -> IndexVersion:
    """Builds an index of all samples of a dataset, publishes it in its store, and returns it.

    Ids that were removed from the version before stay removed. `scratch` is a folder with room for the
    dataset's embeddings twice; what is written there is removed. A build that was killed goes on with the
    buckets that it had not finished; one that was done before returns the version that serves. `threads` is
    the number of cores to use, 0 for all.

    Raises ConfigurationError for a dataset without embeddings or a budget that is too small, and
    IndexRefusedError where the lists find too little; then the old version keeps serving.
    """
    with changing(store), workplace(scratch) as folder:
        base = current_or_none(store)
        served = _readable(store, base)
        if served is not None:
            settle(store, served)
            if _is_built(served, dataset, options):
                return served
        build = _Build(
            reader=RowReader(dataset, progress),
            store=store,
            options=options,
            base=base,
            removed=removed_of(store, base) if base is not None else None,
            work=folder,
            builder=ListsBuilder(options, progress, threads=threads or cores()),
        )
        pending = build.pending()
        contest = Contest(
            store=store,
            base=base,
            served=served,
            pending=pending.values(),
            work=folder,
            progress=progress,
            is_made_again=build.is_made_again,
        )
        return contest.publish(build.version(build.segments(pending), noted_unpaired(pending.values())))


def _readable(store: ObjectStore, base: Current | None) -> IndexVersion | None:
    """Returns the version that serves, unless it is of another schema: then it is built anew."""
    try:
        return read_version(store, base) if base is not None else None
    except (CorruptObjectError, ObjectMissingError):  # a damaged one is refused by `removed_of`
        return None


def _is_built(served: IndexVersion, dataset: Dataset, options: BuildOptions) -> bool:
    """Whether a version is what a build would make: a task may come more than once."""
    return (
        served.dataset_version == dataset.manifest.version
        and served.options == options
        and not served.removed_rows
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Build:
    """One build."""

    reader: RowReader
    store: ObjectStore
    options: BuildOptions
    base: Current | None
    removed: IndexFile | None
    work: Path
    builder: ListsBuilder

    def pending(self) -> _Pending:
        """Returns the segments to come, by bucket."""
        manifest = self.reader.dataset.manifest
        removed = self.removed.sha256 if self.removed is not None else ""
        made_from = ("build", __version__, manifest.version, self.options, removed)
        return {bucket: PendingSegment(self.store, bucket, made_from) for bucket in self.reader.buckets()}

    def is_made_again(self, winner: IndexVersion | None) -> bool:
        """Whether another build, behind a version, would make the same segments: none was removed more."""
        if winner is None or _is_built(winner, self.reader.dataset, self.options):
            return False
        return winner.removed == self.removed

    def segments(self, pending: _Pending) -> list[Segment]:
        """Returns all segments, those that an earlier build finished and the others."""
        found = {bucket: done for bucket, one in pending.items() if (done := one.finished()) is not None}
        segments = [done.segment for done in found.values() if done.segment is not None]
        missing = {bucket: one for bucket, one in pending.items() if bucket not in found}
        try:
            segments += self._built(missing) if missing else []
        except IndexRefusedError:
            for one in pending.values():
                one.discard()
            raise
        if not segments:
            raise ConfigurationError(f"{self.reader.dataset.source}: there are no samples to index")
        return sorted(segments, key=lambda segment: segment.bucket)

    def _built(self, pending: _Pending) -> list[Segment]:
        writers = self._written(pending)
        for bucket in pending.keys() - writers.keys():
            pending[bucket].put_nothing()
        assembler = Assembler(
            store=self.store,
            options=self.options,
            dimensions=self.reader.dimensions,
            total_rows=self.reader.rows,
            builder=self.builder,
        )
        return [assembler.assemble(pending[bucket], bucket, writer) for bucket, writer in writers.items()]

    def _written(self, buckets: _Pending) -> dict[str, SegmentWriter]:
        """Returns the buckets' rows, joined and in order of id, on scratch disk."""
        words = Vocabulary(tuple(WORDS))
        scattered, counter = self._scattered(buckets, words), PairCounter()
        writers = SegmentWriters(self.work, self.reader.dimensions)
        for left, right, rest in aligned_parts(self._cut.ranges, *(spill.parts() for spill in scattered)):
            counter.add(left, [right, rest])
            found = joined(left, right) if left is not None and right is not None else None
            for bucket, rows in by_bucket(found) if found is not None else ():
                vectors = {modality: rows[modality.value] for modality in Modality}
                writers.add(bucket, sample_columns(rows, words), vectors)
        for one in buckets.values():
            one.unpaired = counter.counted()
        return writers.close()

    @property
    def _cut(self) -> Cut:
        return Cut.of(self.reader.rows, self.reader.dimensions, self.options.memory_bytes)

    def _scattered(self, buckets: _Pending, words: Vocabulary) -> tuple[PartitionSpill, ...]:
        """Returns embedded samples, rows of `data/`, and rows of it that are only counted."""
        cut, removed = self._cut, read_removed(self.store, self.removed)
        data, rest = cut.spill(self.work, DATA), cut.spill(self.work, ROWS)
        for bucket, rows in self.reader.data():
            whole = without_ids(rows, removed)  # here, so that no dictionary holds a word of theirs (G8)
            table, left_out = parted(whole, only_kept=self.options.only_kept)
            words.add_columns(table)  # of all buckets: a build that goes on gives the same bytes
            cut.add(data if bucket in buckets else rest, table)
            cut.add(rest, left_out)
        embedded = cut.spill(self.work, embedded_schema(self.reader.dimensions))
        for _, rows in self.reader.embedded(self.reader.numbers()):
            table = without_ids(rows, removed)
            words.add_columns(table)
            cut.add(embedded, table)
        return embedded, data, rest

    def version(self, segments: list[Segment], unpaired: Unpaired | UnsetType) -> IndexVersion:
        """Returns the version of these segments, all rows of which count."""
        version = version_of(
            self.reader.dataset, segments, self.options, sources=self.reader.numbers(), removed=self.removed
        )
        return replace(version, served_rows=version.rows, unpaired=unpaired)


def noted_unpaired(pending: Iterable[PendingSegment]) -> Unpaired | UnsetType:
    """Returns what was counted while segments were made, by this process or one before."""
    return next((one.unpaired for one in pending if one.unpaired is not UNSET), UNSET)


def version_of(
    dataset: Dataset,
    segments: list[Segment],
    options: BuildOptions,
    *,
    sources: list[str],
    removed: IndexFile | None,
    removed_rows: int = 0,
) -> IndexVersion:
    """Returns the manifest of a version of these segments."""
    bundle = dataset.manifest.bundle
    return IndexVersion(
        dataset_version=dataset.manifest.version,
        bundle_digest=str(bundle.get("digest", "")),
        model=f"{bundle.get('name', '')} {bundle.get('revision', '')}".strip(),
        dimensions=int(bundle["dimensions"]),
        segments=tuple(segments),
        removed=removed,
        removed_rows=removed_rows,
        sources=tuple(sorted(sources)),
        samples_digest=samples_digest(dataset),
        options=options,
        code_version=__version__,
    )


def samples_digest(dataset: Dataset) -> str:
    """Returns a digest of the files of `data/`: with the same one, no column has changed."""
    digest = hashlib.sha256()
    for entry in dataset.files(roles.SAMPLES):
        digest.update(f"{entry.path} {entry.sha256}\n".encode())
    return digest.hexdigest()
