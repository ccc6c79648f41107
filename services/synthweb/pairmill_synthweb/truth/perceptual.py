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
_LOW: Final = 8


def cosine_hash(pixels: Pixels) -> int:
    """Returns 64 bits: which of the 8 × 8 lowest frequencies of the grey picture are above their median."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = np.asarray(cv2.dct(small))[:_LOW, :_LOW].ravel()
    bits = low > np.median(low[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
