"""Publishing what was made for hours, although another may publish meanwhile.

A store without locks lets two change an index at once. What the other published stands. If it took samples
away and did nothing else, as a takedown during a build does, the new version is published upon it, with its
list: as if the removal had come right behind. Else the new version has lost; its segments are kept for
another try where that would make the same ones, and removed where it would not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from pairmill.errors import CorruptObjectError, ObjectMissingError
from pairmill.idarrays import Words, find
from pairmill.store.port import ObjectStore
from pairmill_index.errors import LostPublicationError
from pairmill_index.files import LocalFiles
from pairmill_index.ids import find_rows
from pairmill_index.manifest import Current, IndexFile, IndexVersion
from pairmill_index.merge import served_rows
from pairmill_index.old import OldSegment
from pairmill_index.pending import PendingSegment
from pairmill_index.progress import Progress
from pairmill_index.publish import current_or_none, publish, read_version
from pairmill_index.removed import read_removed
from pairmill_index.withdraw import withdraw

TRIES: Final = 5
"""Publications of others in a row that one is put upon; each comes within moments of the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """A version's way to the place of the one that it was made from."""

    store: ObjectStore
    base: Current | None
    served: IndexVersion | None  # what `base` names, where it can be read
    pending: Collection[PendingSegment]
    work: Path  # folder for copies of ids
    progress: Progress
    is_made_again: Callable[[IndexVersion | None], bool] = lambda winner: False
    """Whether another try, behind that version, would make the same segments."""

    def publish(self, version: IndexVersion) -> IndexVersion:
        """Publishes a version, or the same with what was removed meanwhile, and returns that.

        Raises LostPublicationError where another one serves that this is not made from, and what `publish`
        raises.
        """
        base, served = self.base, self.served
        for _ in range(TRIES):
            try:
                publish(self.store, version, base, self.progress)
            except LostPublicationError:
                base = current_or_none(self.store)
                winner = _readable(self.store, base)
                if winner is None or not self._takes_away_alone(winner, served):
                    self._give_up(winner)
                    raise
                served, version = winner, self._without(version, winner.removed)
            else:
                self._forget()
                return version
        withdraw(self.store, self.pending)
        raise LostPublicationError(f"{self.store}: others go on publishing versions of the index; try again")

    def _takes_away_alone(self, winner: IndexVersion, served: IndexVersion | None) -> bool:
        """Whether a version is the one that served but for samples that were removed, none coming back."""
        if served is None or _with_list_of(winner, served) != served:
            return False
        before, now = read_removed(self.store, served.removed), read_removed(self.store, winner.removed)
        return bool((find(now, before) >= 0).all())

    def _without(self, version: IndexVersion, removed: IndexFile | None) -> IndexVersion:
        files = LocalFiles(self.store, self.work / "contest")
        segments = [
            OldSegment(segment=one, files=files, dimensions=version.dimensions) for one in version.segments
        ]
        return withheld(version, segments, removed, read_removed(self.store, removed))

    def _give_up(self, winner: IndexVersion | None) -> None:
        """Leaves segments to another try, which finds them by their notes; if none comes, a sweep does."""
        if not self.is_made_again(winner):
            withdraw(self.store, self.pending)

    def _forget(self) -> None:
        for one in self.pending:
            one.forget()


def withheld(
    version: IndexVersion, segments: Sequence[OldSegment], removed: IndexFile | None, ids: Words
) -> IndexVersion:
    """Returns a version of these segments in which the ids of a list count no more."""
    rows = sum(int(np.count_nonzero(find_rows(one.ids(), ids) >= 0)) for one in segments)
    return msgspec.structs.replace(
        version, removed=removed, removed_rows=rows, served_rows=served_rows(segments, ids)
    )


def _with_list_of(version: IndexVersion, other: IndexVersion) -> IndexVersion:
    return msgspec.structs.replace(
        version, removed=other.removed, removed_rows=other.removed_rows, served_rows=other.served_rows
    )


def _readable(store: ObjectStore, current: Current | None) -> IndexVersion | None:
    try:
        return read_version(store, current) if current is not None else None
    except (CorruptObjectError, ObjectMissingError):
        return None
