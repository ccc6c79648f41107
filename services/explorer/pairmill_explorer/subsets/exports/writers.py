"""How the formats are written: a part at a time, each a pure function of the rows in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from pairmill.store.port import ObjectStore
from pairmill_explorer.subsets.exports.job import ExportJob, PartRecord
from pairmill_explorer.subsets.exports.sink import Sink
from pairmill_explorer.subsets.order import Places
from pairmill_index.opened import OpenIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an export is written, and from what."""

    job: ExportJob
    index: OpenIndex
    source: ObjectStore  # the dataset
    sink: Sink  # the export
    check: Callable[[], None]  # raises to end the work
    advance: Callable[[int, int], None]  # is told samples and bytes written


class PartWriter(Protocol):
    """Writes parts; each may be written any number of times, with equal bytes."""

    @property
    def at_once(self) -> int:
        """Parts that may be written at the same time."""
        ...

    def places(self) -> Iterator[Places]:
        """Yields windows of the rows to write, in the order that they are written in."""
        ...

    def write(self, number: int, places: Places) -> PartRecord:
        """Writes a part and returns what stands."""
        ...

    def close(self) -> None:
        """Lets go of what is open."""
        ...
