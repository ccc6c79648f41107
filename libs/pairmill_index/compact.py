"""Compaction: small segments become one, and rows that count no more leave the disk."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from pairmill import __version__
from pairmill.store.port import ObjectStore
from pairmill_index.assemble import Assembler, Shared, choice_for
from pairmill_index.contest import Contest
from pairmill_index.files import LocalFiles
from pairmill_index.lists_build import ListsBuilder
from pairmill_index.manifest import EXACT, IndexVersion, Segment
from pairmill_index.merge import Counted, counted, write_merged
from pairmill_index.old import OldSegment
from pairmill_index.options import cores
from pairmill_index.pending import PendingSegment, settle
from pairmill_index.progress import Progress, no_progress
from pairmill_index.publish import changing, current_of, read_version
from pairmill_index.removed import read_removed
from pairmill_index.rule import is_smaller, lists_for
from pairmill_index.workplace import workplace
from pairmill_index.writing import SegmentWriter

SMALL_SHARE: Final = 0.25
"""Segments that together are smaller than this part of a bucket's largest are merged without it."""
DEAD_SHARE: Final = 0.1
"""A segment with more rows that count no more than this part is written anew."""


def compact(
    store: ObjectStore,
    *,
    scratch: Path,
    full: bool = False,
    progress: Progress = no_progress,
    threads: int = 0,
) -> IndexVersion:
    """Merges small segments and drops removed samples, publishes the new version and returns it.

    Every segment with a removed sample is written anew, so that nothing of it is left on disk once the old
    version is swept; so is one whose lists have a larger code than there is room for by now. `full` makes one
    segment of each bucket. Returns the version that serves where there is nothing to do. Raises like
    `build_index`.
    """
    with changing(store), workplace(scratch) as folder:
        current = current_of(store)
        base = read_version(store, current)
        settle(store, base)
        files = LocalFiles(store, folder / "old")
        compaction = _Compaction(
            store=store,
            base=base,
            old=[OldSegment(segment=one, files=files, dimensions=base.dimensions) for one in base.segments],
            work=folder,
            builder=ListsBuilder(base.options, progress, threads=threads or cores()),
            progress=progress,
        )
        groups = compaction.groups(full=full)
        if not groups:
            return base
        pending, version = compaction.version(groups)
        contest = Contest(
            store=store, base=current, served=base, pending=pending, work=folder, progress=progress
        )
        return contest.publish(version)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compaction:
    """One compaction."""

    store: ObjectStore
    base: IndexVersion
    old: Sequence[OldSegment]
    work: Path
    builder: ListsBuilder
    progress: Progress

    def groups(self, *, full: bool) -> list[list[Counted]]:
        """Returns the segments to be written anew, together those that become one."""
        found = counted(self.old, read_removed(self.store, self.base.removed))
        outgrown = frozenset(one.segment_id for one in self.base.segments if is_outgrown(one, self.base))
        buckets = dict.fromkeys(one.old.segment.bucket for one in found)
        groups = [
            chosen([one for one in found if one.old.segment.bucket == bucket], full=full, outgrown=outgrown)
            for bucket in buckets
        ]
        return [group for group in groups if group]

    def version(self, groups: list[list[Counted]]) -> tuple[list[PendingSegment], IndexVersion]:
        """Writes and stores the new segments; returns their notes and the version to publish.

        New segments come last: a later segment's rows replace those of earlier ones, and theirs all count.
        """
        pending, new = [], []
        gone = {one.old.segment.segment_id for group in groups for one in group}
        for group in groups:
            bucket = group[0].old.segment.bucket
            note = PendingSegment(
                self.store, bucket, ("compact", __version__, self.base.version(), sorted(gone))
            )
            done = note.finished()
            segment = done.segment if done is not None else self._made(note, bucket, group)
            pending.append(note)
            new += [segment] if segment is not None else []
        kept = [segment for segment in self.base.segments if segment.segment_id not in gone]
        return pending, msgspec.structs.replace(self.base, segments=(*kept, *new), removed_rows=0)

    def _made(self, pending: PendingSegment, bucket: str, group: list[Counted]) -> Segment | None:
        if not any(one.alive.any() for one in group):
            pending.put_nothing()
            return None
        writer = SegmentWriter(self.work / f"segment-{bucket}", self.base.dimensions)
        write_merged(group, writer, self.base.options.memory_bytes, self.progress)
        assembler = Assembler(
            store=self.store,
            options=self.base.options,
            dimensions=self.base.dimensions,
            total_rows=self.base.rows,
            builder=self.builder,
        )
        return assembler.assemble(pending, bucket, writer, shared_training(group, writer.rows))


def is_outgrown(segment: Segment, version: IndexVersion) -> bool:
    """Returns whether there is room for smaller codes only, since others were added, than a segment has."""
    choice = choice_for(segment.rows, version.rows, version.dimensions, version.options)
    kinds = [index.kind for index in segment.indices if index.kind != EXACT]
    return choice.kind != EXACT and any(is_smaller(choice.kind, kind) for kind in kinds)


def chosen(
    bucket: Sequence[Counted], *, full: bool, outgrown: Collection[str] = frozenset()
) -> list[Counted]:
    """Returns which of a bucket's segments are written anew, as one; those of `outgrown` ids have to be."""
    stale = [
        one
        for one in bucket
        if one.has_removed or one.dead_share > DEAD_SHARE or one.old.segment.segment_id in outgrown
    ]
    if full:
        return list(bucket) if len(bucket) > 1 or stale else []
    largest = max(bucket, key=lambda one: one.rows)
    others = [one for one in bucket if one is not largest]
    if largest in stale or sum(one.rows for one in others) > SMALL_SHARE * largest.rows:
        return list(bucket)
    return others if len(others) > 1 else [one for one in others if one in stale]


def shared_training(group: Sequence[Counted], rows: int) -> Shared:
    """Returns the lists of the largest segment, for their training, unless more lists are due by now."""
    largest = max(group, key=lambda one: one.rows)
    return {
        modality: (index, path)
        for modality, (index, path) in largest.old.lists().items()
        if lists_for(rows) == index.lists
    }
