"""How good embeddings and scores are."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]


def top1(texts: Floats, images: Floats, choices: int = 100) -> float:
    """Returns how often a text's own picture is the nearest of `choices`; row i belongs to row i.

    Rows are taken in groups of `choices`; what is left over at the end is not used.
    """
    groups = len(texts) // choices
    if groups == 0:
        raise ValueError(f"{len(texts)} pairs are fewer than {choices} choices")
    right = 0
    for start in range(0, groups * choices, choices):
        group = slice(start, start + choices)
        right += int((np.argmax(texts[group] @ images[group].T, axis=1) == np.arange(choices)).sum())
    return right / (groups * choices)


def auc(scores: Floats, truth: npt.NDArray[np.bool_]) -> float:
    """Returns how often a true row scores above a false one; a draw counts half."""
    ranks = np.searchsorted(np.sort(scores), scores, "left") + np.searchsorted(
        np.sort(scores), scores, "right"
    )
    positive, negative = int(truth.sum()), int((~truth).sum())
    if not positive or not negative:
        raise ValueError("rows of both kinds are wanted")
    wins = (ranks[truth] + 1).sum() / 2 - positive * (positive + 1) / 2
    return float(wins / (positive * negative))


def correlation(scores: Floats, truth: Floats) -> float:
    """Returns Pearson's coefficient, -1 to 1."""
    return float(np.corrcoef(scores, truth)[0, 1])
