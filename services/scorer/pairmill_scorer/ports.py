"""What the scorer needs from outside: the heads of a model bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pairmill_scorer.similarity import Floats


class ScoringHeads(Protocol):
    """Small models on top of embeddings. Thread-safe."""

    def score(self, images: Floats, texts: Floats) -> Mapping[str, Floats]:
        """Returns (n,) float32 by score, named like the columns of `schemas.SCORED`.

        `images` and `texts` are (n, dim) float32 holding the stored, float16-rounded embeddings. A score
        that the bundle has no head for is absent.
        """
        ...
