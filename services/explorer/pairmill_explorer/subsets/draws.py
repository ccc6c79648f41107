"""Random choices that follow from a seed and a sample's id alone.

So a choice is the same on any machine and in any order, and stays as it was for the samples that were there
when a dataset grows.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from pairmill.idarrays import Words

Draws: TypeAlias = npt.NDArray[np.uint64]

WORD_BITS: Final = 64
_WORD: Final = 2**WORD_BITS


def draws_of(ids: Words, seed: int) -> Draws:
    """Returns a number for each id, `(n,) uint64`, evenly spread; another seed gives others."""
    start = _mixed(np.array([seed % _WORD], dtype=np.uint64))
    return _mixed(ids[:, 0] ^ _mixed(ids[:, 1] ^ start))


def bound_of(share: float) -> np.uint64:
    """Returns the largest draw that belongs to a share of all, 0 < share <= 1."""
    return np.uint64(min(max(round(share * _WORD) - 1, 0), _WORD - 1))


def _mixed(values: Draws) -> Draws:
    """The finaliser of splitmix64, which spreads each bit over all (arithmetic is modulo 2**64)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
