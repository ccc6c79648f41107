"""Counting candidates from the data: every id once, however large the set.

Whoever reads the files tells a `Recount` which ids stand where. Ids are then cut into ranges on
scratch disk and judged range by range, so memory does not grow with the dataset.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pairmill.dataset.funnel import CANCELLED, Counts
from pairmill.idarrays import Words, array_of, ascending, partition_of, starts_of_groups, words_of
from pairmill.spill import PartitionSpill

PARTITION_ROWS: Final = 400_000

_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("id", pa.binary(16)),
    pa.field("fact", pa.int8()),
    pa.field("rank", pa.int16()),
    pa.field("end", pa.int16()),
    pa.field("file", pa.int32()),
]
_FACTS: Final = pa.schema(_FIELDS)


class Fact(IntEnum):
    """What a file says of an id."""

    PASSED = 0  # a shard index has it as downloaded
    FAILED = 1  # a shard index has it as failed
    DEAD = 2  # it belongs to a unit that was given up
    KEPT = 3  # `data/` has it as kept
    FILTERED = 4
    UNUSABLE = 5  # `data/` has it as failed
    EMBEDDED = 6  # it has a row in the embeddings
    TRAINED = 7  # it stands in `train/`
    PLANNED = 8  # a plan names it
    IMAGELESS = 9  # it is kept, but its image was given up, so that it cannot stand in `train/`


CANDIDATE_FACTS: Final = (Fact.PASSED, Fact.FAILED, Fact.DEAD)
DATA_FACTS: Final = (Fact.KEPT, Fact.FILTERED, Fact.UNUSABLE)
_ENDS: Final = (*DATA_FACTS, Fact.FAILED, Fact.DEAD)


@dataclass(slots=True)
class Judged:
    """What a recount came to."""

    final: Counts = field(default_factory=Counter)
    candidates: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # (path, sample_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """What has to hold for every id besides the general rules."""

    has_train: bool  # kept samples stand in `train/`
    is_planned: bool  # the plans are there, so that every candidate must stand in one
    is_cancelled: bool  # the job was cancelled: what has no end was open


class Recount:
    """Takes facts on ids file by file, then judges every id. Not thread-safe.

    Facts of a job of higher `rank` replace those of lower ones: a repair's rows its base's (U16).
    """

    def __init__(self, folder: Path, expected_rows: int, *, partition_rows: int = PARTITION_ROWS) -> None:
        self._spill = PartitionSpill(folder, _FACTS)
        self._partitions = max(1, -(-expected_rows // partition_rows))
        self._ends: dict[tuple[str, str], int] = {}
        self._paths: list[str] = []

    def file(self, path: str) -> int:
        """Returns the number under which a file's facts are added."""
        self._paths.append(path)
        return len(self._paths) - 1

    def end(self, outcome: str, reason: str) -> int:
        """Returns the number of an (outcome, reason) pair."""
        return self._ends.setdefault((outcome, reason), len(self._ends))

    def add(
        self,
        ids: Words,
        facts: npt.NDArray[np.int8] | Fact,
        *,
        file: int,
        rank: int = 0,
        ends: Sequence[int] | npt.NDArray[np.int16] | None = None,
    ) -> None:
        """Takes what a file says of ids, `(n, 2) uint64`; `ends` are numbers from `end`."""
        size = len(ids)
        columns = {
            "id": array_of(ids),
            "fact": pa.array(np.broadcast_to(np.asarray(facts, dtype=np.int8), (size,))),
            "rank": pa.array(np.full(size, rank, dtype=np.int16)),
            "end": pa.array(np.asarray(ends if ends is not None else np.full(size, -1), dtype=np.int16)),
            "file": pa.array(np.full(size, file, dtype=np.int32)),
        }
        self._spill.add(pa.table(columns, schema=_FACTS), partition_of(ids, self._partitions))

    def judge(self, promises: Promises) -> Judged:
        """Returns how the candidates ended and what does not hold; call it once."""
        judged = Judged()
        pairs = list(self._ends)
        for _, table in self._spill.parts():
            group = _Group(table)
            ends = group.final_ends()
            for number, rows in zip(*np.unique(ends[ends >= 0], return_counts=True), strict=True):
                judged.final[pairs[int(number)]] += int(rows)
            judged.candidates += int((group.any_of(CANDIDATE_FACTS) | group.any_of(DATA_FACTS)).sum())
            for problem, fact, flags in group.problems(promises):
                self._note(judged, problem, fact, group, np.flatnonzero(flags))
        if promises.is_cancelled:
            judged.final[CANCELLED, CANCELLED] = judged.candidates - judged.final.total()
        judged.final = +judged.final
        return judged

    def _note(
        self, judged: Judged, problem: str, fact: Fact, group: _Group, places: npt.NDArray[np.intp]
    ) -> None:
        if not len(places):
            return
        judged.problems[problem] += len(places)
        examples = judged.examples.setdefault(problem, [])
        for place in places[: max(0, MAX_EXAMPLES - len(examples))]:
            identifier, file = group.example(int(place), fact)
            examples.append((self._paths[file], identifier))


MAX_EXAMPLES: Final = 5


class _Group:
    """The facts of one range of ids, grouped by id."""

    def __init__(self, table: pa.Table) -> None:
        ids = words_of(table.column("id").combine_chunks())
        fact, rank, end, file = (table.column(name).to_numpy() for name in _FACTS.names[1:])
        order = ascending(ids, fact, -rank)
        self._ids = ids[order]
        self._fact, self._rank = fact[order], rank[order]
        self._end, self._file = end[order], file[order]
        starts = starts_of_groups(self._ids)
        self._first = np.flatnonzero(starts)
        self._of = np.cumsum(starts) - 1
        self.size = len(self._first)
        self._live = self._not_replaced()
        self._counts = {kind: self._count(kind) for kind in Fact}

    def any_of(self, facts: Iterable[Fact]) -> npt.NDArray[np.bool_]:
        """Returns which ids have one of these facts."""
        return self.sum_of(facts) > 0

    def sum_of(self, facts: Iterable[Fact]) -> npt.NDArray[np.int64]:
        """Returns how often each id has one of these facts."""
        total = np.zeros(self.size, dtype=np.int64)
        for kind in facts:
            total += self._counts[kind]
        return total

    def example(self, place: int, fact: Fact) -> tuple[str, int]:
        """Returns an id in hex and a file that says this of it, or any file that has it."""
        rows = np.flatnonzero(self._of == place)
        kinds = DATA_FACTS if fact in DATA_FACTS else (fact,)
        telling = rows[np.isin(self._fact[rows], kinds)]
        row = int(telling[-1] if len(telling) else rows[0])
        high, low = self._ids[row]
        return f"{int(high):016x}{int(low):016x}", int(self._file[row])

    def final_ends(self) -> npt.NDArray[np.int16]:
        """Returns the end of each id: of `data/` if it is there, else failed, else dead; -1 if none."""
        ends = np.full(self.size, -1, dtype=np.int16)
        for kind in reversed(_ENDS):
            rows = np.flatnonzero((self._fact == kind) & self._live)
            ends[self._of[rows]] = self._end[rows]
        return ends

    def problems(self, promises: Promises) -> Iterator[tuple[str, Fact, npt.NDArray[np.bool_]]]:
        """Yields every rule in plain words, the fact that breaks it, and the ids that do."""
        has, data = self._counts, self.any_of(DATA_FACTS)
        passed, dead, kept = has[Fact.PASSED] > 0, has[Fact.DEAD] > 0, has[Fact.KEPT] > 0
        scored = self.any_of((Fact.KEPT, Fact.FILTERED))
        embedded, trained = has[Fact.EMBEDDED] > 0, has[Fact.TRAINED] > 0
        twice = self.sum_of((Fact.PASSED, Fact.FAILED)) > 1
        yield "stands twice in the shard indexes", Fact.PASSED, twice
        yield "stands twice in data/", Fact.KEPT, self.sum_of(DATA_FACTS) > 1
        yield "stands twice among the dead letters", Fact.DEAD, has[Fact.DEAD] > 1
        yield "has two rows of embeddings", Fact.EMBEDDED, has[Fact.EMBEDDED] > 1
        yield "stands twice in train/", Fact.TRAINED, has[Fact.TRAINED] > 1
        yield "stands in data/, but no shard index has it as downloaded", Fact.KEPT, data & ~passed
        yield "has a row in data/ and is a dead letter as well", Fact.DEAD, data & dead
        yield "failed to download and is a dead letter as well", Fact.DEAD, (has[Fact.FAILED] > 0) & dead
        yield "has embeddings, but no shard index has it as downloaded", Fact.EMBEDDED, embedded & ~passed
        yield "has a verdict by scores, but no embeddings", Fact.KEPT, scored & ~embedded
        yield "stands in train/, but is not kept", Fact.TRAINED, trained & ~kept
        if promises.has_train:
            missing = kept & ~trained & (has[Fact.IMAGELESS] == 0)
            yield "is kept, but does not stand in train/", Fact.KEPT, missing
        if not promises.is_cancelled:
            lost = passed & ~data & ~dead
            yield "was downloaded, but has no row in data/ and is no dead letter", Fact.PASSED, lost
        if promises.is_planned:
            ended, planned = self.any_of(CANDIDATE_FACTS) | data, has[Fact.PLANNED] > 0
            yield "came out, but was never planned", Fact.PASSED, ended & ~planned
            if not promises.is_cancelled:
                yield "was planned, but never ended", Fact.PLANNED, ~ended & planned

    def _not_replaced(self) -> npt.NDArray[np.bool_]:
        """Which facts stand: a candidate's facts of a lower rank than its highest are replaced."""
        candidate = self._fact <= Fact.DEAD
        highest = np.full(self.size, -1, dtype=np.int16)
        np.maximum.at(highest, self._of[candidate], self._rank[candidate])
        stands: npt.NDArray[np.bool_] = ~candidate | (self._rank == highest[self._of])
        return stands

    def _count(self, kind: Fact) -> npt.NDArray[np.int64]:
        rows = self._of[(self._fact == kind) & self._live]
        return np.bincount(rows, minlength=self.size)
