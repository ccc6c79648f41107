"""Where ratings lie among the embeddings: the mean image embedding of samples by their aesthetic score.

Clients of clip-retrieval lean a query towards a rating of 0 to 9 by adding such a mean. The ones here are the
dataset's own, so they fit its model and its predictor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from pairmill_explorer.caching import ByteCache
from pairmill_explorer.search.query import Vector
from pairmill_index.manifest import Modality
from pairmill_index.opened import OpenIndex, OpenSegment

RATINGS: Final = 10
SAMPLES: Final = 20_000
"""Most rows that are looked at, spread evenly: a mean of a few hundred stands still."""

_CACHE_BYTES: Final = 8 * 2**20


class Ratings:
    """Means by rating, made once per index version. Thread-safe."""

    def __init__(self) -> None:
        self._made: ByteCache[str, npt.NDArray[np.float32]] = ByteCache(
            _CACHE_BYTES, lambda means: means.nbytes
        )

    def leaning(self, query: Vector, index: OpenIndex, rating: int, weight: float) -> Vector:
        """Returns a query leant towards a rating, of unit length; as it was where no sample has it."""
        means = self._made.get_or_make(index.version, lambda: rating_means(index))
        leant = query + np.float32(weight) * means[rating]
        length = float(np.linalg.norm(leant))
        return (leant / length).astype(np.float32) if length > 0 else query


def rating_means(index: OpenIndex) -> npt.NDArray[np.float32]:
    """Returns the mean unit vector of each rating, `(10, dimensions)`; zeros where there is no sample.

    Removed samples are not among them (G8).
    """
    sums = np.zeros((RATINGS, index.manifest.dimensions), dtype=np.float64)
    for segment, spread in _spread(index.segments):
        rows = spread[segment.alive[spread]]
        scores = segment.table.column("aesthetic_score").take(rows).to_numpy(zero_copy_only=False)
        scores = scores.astype(np.float32)
        there = np.isfinite(scores)
        ratings = np.clip(scores[there], 0, RATINGS - 1).astype(np.int64)
        np.add.at(sums, ratings, segment.vectors(Modality.IMAGE)[rows[there]].astype(np.float64))
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    means: npt.NDArray[np.float32] = np.divide(
        sums, lengths, out=np.zeros_like(sums), where=lengths > 0
    ).astype(np.float32)
    return means


def _spread(segments: Sequence[OpenSegment]) -> list[tuple[OpenSegment, npt.NDArray[np.int64]]]:
    total = sum(segment.rows for segment in segments)
    step = max(total // SAMPLES, 1)
    return [(segment, np.arange(0, segment.rows, step)) for segment in segments if segment.rows]
