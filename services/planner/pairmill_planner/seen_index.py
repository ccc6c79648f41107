"""The seen index of a range: which URLs became candidates in earlier waves (U8).

It is a list of runs, the oldest first, that are merged log-structured: a new run takes in every
run before it that is at most twice as long, so that there are at most about log2 of the URLs runs and
an id is written about as often. Runs that stay as they are, are passed on by reference. Which runs
result is a function of their sizes alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pairmill.idarrays import Flags, Words, ascending
from pairmill.stage.port import UnitContext
from pairmill_planner.seen_run import SeenRun, write_run
from pairmill_protos.unit.v1.unit_pb2 import ObjectRef

SEEN_ROLE = "seen"


@dataclass(frozen=True, slots=True)
class SeenIndex:
    """The runs left by the previous wave's plan unit."""

    context: UnitContext
    runs: Sequence[ObjectRef]

    def contains(self, wanted: Words) -> Flags:
        """Returns which URLs, given ascending and each once, became candidates before."""
        known = np.zeros(len(wanted), dtype=np.bool_)
        for ref in self.runs:
            unknown = np.flatnonzero(~known)
            known[unknown] = self._open(ref).contains(wanted[unknown])
        return known

    def with_new(self, urls: Words) -> list[ObjectRef]:
        """Returns all runs after adding URLs, given ascending, each once, none of them known."""
        if not len(urls):
            return list(self.runs)
        kept = runs_that_stay([ref.rows for ref in self.runs], len(urls))
        count = len(urls) + sum(ref.rows for ref in self.runs[kept:])
        streams = [*(self._open(ref).chunks() for ref in self.runs[kept:]), iter((urls,))]
        path = self.context.scratch / "seen.run"
        write_run(path, merge(streams), count)
        key = self.context.key("steps/seen", ".run")
        new = self.context.put_file(key, path, role=SEEN_ROLE, rows=count)
        return [*self.runs[:kept], new]

    def _open(self, ref: ObjectRef) -> SeenRun:
        return SeenRun(lambda start, length: self.context.store.get_range(ref.key, start, length), ref.key)


def runs_that_stay(sizes: Sequence[int], new: int) -> int:
    """Returns how many of the runs, the oldest first, stay as they are when `new` ids are added."""
    kept, total = len(sizes), new
    while kept and sizes[kept - 1] <= 2 * total:
        kept -= 1
        total += sizes[kept]
    return kept


def merge(streams: Sequence[Iterator[Words]]) -> Iterator[Words]:
    """Yields the ids of several ascending streams as one, in memory bounded by a chunk of each."""
    heads = [(chunk, stream) for stream in streams if (chunk := next(stream, None)) is not None]
    while heads:
        # What is not above the smallest last id is complete: every stream has shown all up to there.
        lasts = np.stack([chunk[-1] for chunk, _ in heads])
        bound = lasts[ascending(lasts)[0]]
        counts = [_not_above(chunk, bound) for chunk, _ in heads]
        ready = np.concatenate([chunk[:count] for (chunk, _), count in zip(heads, counts, strict=True)])
        yield ready[ascending(ready)]
        heads = [
            (rest, stream)
            for (chunk, stream), count in zip(heads, counts, strict=True)
            if (rest := chunk[count:] if count < len(chunk) else next(stream, None)) is not None
        ]


def _not_above(chunk: Words, bound: Words) -> int:
    """Returns how many ids of an ascending chunk are at most the bound."""
    above = (chunk[:, 0] > bound[0]) | ((chunk[:, 0] == bound[0]) & (chunk[:, 1] > bound[1]))
    return len(chunk) - int(np.count_nonzero(above))
