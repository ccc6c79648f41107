"""A 64-bit perceptual hash: pictures that look alike differ in few bits.

The picture's luma is averaged over a grid of 32 by 32 cells, whose two-dimensional DCT-II is taken. The 64
lowest frequencies without the mean, in order of (row + column, row), each give a bit: 1 where the
coefficient is above the median of all 64. The first is the highest bit. A picture of one colour has the
hash 0. Cells are summed in whole numbers and coefficients rounded, so that every machine gives the same.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Reals = npt.NDArray[np.float64]

_CELLS: Final = 32
_BITS: Final = 64
_REACH: Final = 11  # frequencies 0..10 of each axis hold the 64 lowest
_DECIMALS: Final = 4


def perceptual_hash(picture: Pixels) -> str:
    """Returns the hash of a picture, (h, w, 3) uint8 RGB, as 16 hex digits."""
    luma = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    coefficients = np.matmul(np.matmul(_DCT, _cells(luma)), _DCT.T)
    lowest = np.round(coefficients[_ORDER], _DECIMALS)
    bits = np.packbits(lowest > np.median(lowest))
    return bits.tobytes().hex()


def distance(one: str, other: str) -> int:
    """Returns the number of bits in which two hashes differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def _cells(luma: Pixels) -> Reals:
    """Returns the mean of each cell of the grid, (32, 32)."""
    rows, heights = _bounds(luma.shape[0])
    columns, widths = _bounds(luma.shape[1])
    sums = np.add.reduceat(luma, rows, axis=0, dtype=np.uint32)
    sums = np.add.reduceat(sums, columns, axis=1, dtype=np.uint64)
    means: Reals = sums / (heights[:, None] * widths[None, :])
    return means


def _bounds(length: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Returns where each cell begins and how long it is; cells share pixels where there are too few."""
    edges = np.arange(_CELLS + 1) * length // _CELLS
    return edges[:-1], np.maximum(1, np.diff(edges))


def _dct_matrix() -> Reals:
    frequency, place = np.arange(_REACH)[:, None], np.arange(_CELLS)[None, :]
    matrix: Reals = np.cos(np.pi * frequency * (2 * place + 1) / (2 * _CELLS))
    return matrix


def _low_frequencies() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    pairs = sorted(
        ((row, column) for row in range(_REACH) for column in range(_REACH)),
        key=lambda pair: (sum(pair), pair[0]),
    )
    chosen = np.array(pairs[1 : _BITS + 1])
    return chosen[:, 0], chosen[:, 1]


_DCT: Final = _dct_matrix()
_ORDER: Final = _low_frequencies()
