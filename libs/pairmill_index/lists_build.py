"""Making the inverted lists of one modality of a segment that lies in a folder, within bounded memory."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from pairmill_index.arrays import Floats, Halves, Rows
from pairmill_index.faiss_adapter import Lists
from pairmill_index.ids import map_ids
from pairmill_index.layout import GRAPH, IDS, LISTS, VECTORS
from pairmill_index.manifest import EXACT, Modality, VectorIndex
from pairmill_index.mapped import map_vectors
from pairmill_index.measure import Timer, held_out, queries_for, tuned
from pairmill_index.options import BuildOptions
from pairmill_index.progress import Progress
from pairmill_index.rule import Choice
from pairmill_index.vector_search import Admitted, VectorSearch

_MOST_BLOCK_ROWS: Final = 1 << 16
_BLOCK_SHARE: Final = 16  # of the memory budget that one block of vectors may take
_SAMPLE_SHARE: Final = 4  # and the training sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A segment's files in a folder."""

    folder: Path
    rows: int
    dimensions: int

    def vectors(self, modality: Modality) -> Halves:
        """Returns the vectors of a modality, mapped."""
        return map_vectors(self.folder / VECTORS.format(modality), self.rows, self.dimensions)

    def low_words(self) -> npt.NDArray[np.uint64]:
        """Returns the low words of the ids, mapped: hashes that say nothing of the order of rows."""
        return map_ids(self.folder / IDS, self.rows)[:, 1]


class ListsBuilder:
    """Builds, measures and writes inverted lists. Not thread-safe."""

    def __init__(
        self, options: BuildOptions, progress: Progress, *, threads: int, timer: Timer = time.thread_time
    ) -> None:
        """`timer` measures latencies: by default the time that the core worked, whoever else uses it."""
        self._options = options
        self._progress = progress
        self._threads = threads
        self._timer = timer

    def build(
        self, written: Written, modality: Modality, choice: Choice, shared: tuple[VectorIndex, Path] | None
    ) -> VectorIndex:
        """Writes the lists of a modality into the segment's folder and returns what they are and find.

        With `shared`, another segment's lists and their file, vectors go into lists that share its training.
        """
        if choice.kind == EXACT:
            return VectorIndex(modality=modality, kind=EXACT)
        vectors, low_words = written.vectors(modality), written.low_words()
        queries, sample = self._drawn(low_words, choice, written.dimensions)
        if shared is None:
            self._progress(f"training {modality}", 0, len(sample))
            lists = Lists.trained(_floats(vectors, sample), choice.kind, threads=self._threads)
            index = VectorIndex(
                modality=modality,
                kind=choice.kind,
                lists=lists.count,
                candidates=choice.candidates,
                trained_on=len(sample),
            )
        else:
            lists, index = Lists.emptied(shared[1]), shared[0]
        list_of_row = lists.fill(self._blocks(vectors, modality), threads=self._threads)
        lists.write(written.folder / GRAPH.format(modality))
        np.save(written.folder / LISTS.format(modality), list_of_row)
        return self._tuned(written, index, queries)

    def _drawn(self, low_words: npt.NDArray[np.uint64], choice: Choice, dimensions: int) -> tuple[Rows, Rows]:
        """Returns the rows of the held-out queries and of the training sample."""
        rows = len(low_words)
        most = self._options.memory_bytes // _SAMPLE_SHARE // (4 * dimensions)
        queries = queries_for(rows) / rows
        sample = min(choice.training_rows, most) / rows
        return drawn(low_words, 0.0, queries), drawn(low_words, queries, queries + sample)

    def _blocks(self, vectors: Halves, modality: Modality) -> Iterator[Floats]:
        room = self._options.memory_bytes // _BLOCK_SHARE // (4 * vectors.shape[1])
        step = max(1, min(_MOST_BLOCK_ROWS, room))
        for start in range(0, len(vectors), step):
            self._progress(f"filling {modality}", start, len(vectors))
            yield vectors[start : start + step].astype(np.float32)
        self._progress(f"filling {modality}", len(vectors), len(vectors))

    def _tuned(self, written: Written, index: VectorIndex, rows: Rows) -> VectorIndex:
        own = written.vectors(index.modality)
        other = written.vectors(Modality.TEXT if index.modality == Modality.IMAGE else Modality.IMAGE)
        lists = Lists.opened(written.folder / GRAPH.format(index.modality))
        search = VectorSearch(own, index, lists, None)
        admitted = Admitted(None, written.rows)
        self._progress(f"measuring {index.modality}", 0, len(rows))
        queries = held_out(search, own, other, rows, admitted, threads=self._threads)
        found = tuned(
            search,
            index,
            queries,
            admitted,
            wanted_recall=self._options.wanted_recall,
            latency_ms=self._options.latency_ms,
            timer=self._timer,
        )
        self._progress(f"measuring {index.modality}", len(rows), len(rows))
        return found


def drawn(low_words: npt.NDArray[np.uint64], first: float, last: float) -> Rows:
    """Returns the rows whose low word lies in a part of all values: a random sample, always the same.

    `first` and `last` are the part's ends as shares, 0 to 1; 1 or more takes all that is left.
    """
    inside = low_words >= _word(first)
    if last < 1:
        inside &= low_words < _word(last)
    return np.flatnonzero(inside)


def _word(share: float) -> np.uint64:
    return np.uint64(int(share * 2**53) << 11)


def _floats(vectors: Halves, rows: Rows) -> Floats:
    return vectors[rows].astype(np.float32)
