"""What the scorer needs from outside: the heads of a model bundle, and somebody who measures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import pyarrow as pa

from pairmill_scorer.similarity import Floats


class ScoringHeads(Protocol):
    """Small models on top of embeddings. Thread-safe."""

    def score(self, images: Floats, texts: Floats) -> Mapping[str, Floats]:
        """Returns (n,) float32 by score, named like the columns of `schemas.SCORED`.

        `images` and `texts` are (n, dim) float32 holding the stored, float16-rounded embeddings. A score
        that the bundle has no head for is absent.
        """
        ...


class ScoreObserver(Protocol):
    """Takes the measures of scoring. Thread-safe."""

    def scored(self, seconds: float) -> None:
        """A block of rows was scored in that time."""
        ...

    def judged(self, table: pa.Table) -> None:
        """Rows with the columns of `schemas.SCORED` have their verdicts."""
        ...


class NullObserver:
    """Takes measures and forgets them."""

    def scored(self, seconds: float) -> None:
        """Does nothing."""

    def judged(self, table: pa.Table) -> None:
        """Does nothing."""
