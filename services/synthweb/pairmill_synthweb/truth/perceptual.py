"""How alike two drawings look: a hash by cosine transform, as near-duplicates are usually found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import cv2
import numpy as np

from pairmill_synthweb.painter import Pixels

PerceptualHash: TypeAlias = Callable[[Pixels], int]
"""64 bits for a picture (h, w, 3) uint8 RGB."""

_SIDE: Final = 32
_BITS: Final = 64


def cosine_hash(pixels: Pixels) -> int:
    """Returns 64 bits: which of the lowest frequencies of the grey picture are above their median.

    The frequencies are those of 32 by 32 means without the mean of all, in order of (row + column, row).
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    means = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    spectrum = np.asarray(cv2.dct(means))
    low = np.array([spectrum[place] for place in _LOWEST])
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes(), "big")


def _lowest() -> list[tuple[int, int]]:
    places = [(row, column) for row in range(_SIDE) for column in range(_SIDE)]
    return sorted(places, key=lambda place: (sum(place), place[0]))[1 : _BITS + 1]


_LOWEST: Final = _lowest()
