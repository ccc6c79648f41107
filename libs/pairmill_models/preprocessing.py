"""From a picture to the square that an image tower takes, as open_clip does it."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from PIL import Image

from pairmill_models.bundle import Resize
from pairmill_models.embedder import Pixels

_MAX_WHOLE_ASPECT: Final = 8
"""Pictures longer than this are not resized as a whole: 1 × 100,000 pixels would become gigabytes."""

Box: TypeAlias = tuple[float, float, float, float]


def fit_square(picture: Pixels, size: int, resize: Resize = "crop") -> Pixels:
    """Returns (size, size, 3) uint8 for a picture (h, w, 3) uint8.

    `crop` brings the shorter side to `size` by a bicubic filter that widens when it shrinks, and keeps the
    centre; `squash` brings both sides to `size`.
    """
    height, width = picture.shape[:2]
    image = Image.fromarray(np.ascontiguousarray(picture))
    if resize == "squash":
        return _resized(image, (size, size))
    shorter = min(width, height)
    whole = int(size * width / shorter), int(size * height / shorter)
    left, top = round((whole[0] - size) / 2), round((whole[1] - size) / 2)
    if max(width, height) > _MAX_WHOLE_ASPECT * shorter:
        return _resized(image, (size, size), _source_box((width, height), whole, left, top, size))
    return np.ascontiguousarray(_resized(image, whole)[top : top + size, left : left + size])


def _source_box(source: tuple[int, int], whole: tuple[int, int], left: int, top: int, size: int) -> Box:
    """Returns the part of the source that a square of the resized picture is made of."""
    across, down = source[0] / whole[0], source[1] / whole[1]
    right, bottom = min((left + size) * across, source[0]), min((top + size) * down, source[1])
    return left * across, top * down, right, bottom


def _resized(image: Image.Image, size: tuple[int, int], box: Box | None = None) -> Pixels:
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC, box=box), dtype=np.uint8)
