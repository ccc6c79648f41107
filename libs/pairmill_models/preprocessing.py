"""From a picture to the square that an image tower takes, as open_clip does it."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from pairmill_models.bundle import Resize
from pairmill_models.embedder import Pixels


def fit_square(picture: Pixels, size: int, resize: Resize = "crop") -> Pixels:
    """Returns (size, size, 3) uint8 for a picture (h, w, 3) uint8.

    `crop` brings the shorter side to `size` by a bicubic filter that widens when it shrinks, and keeps the
    centre; `squash` brings both sides to `size`. Only what is kept is computed, so that a picture of
    1 × 100,000 pixels costs no more than any other.
    """
    height, width = picture.shape[:2]
    image = Image.fromarray(np.ascontiguousarray(picture))
    box = (0.0, 0.0, float(width), float(height)) if resize == "squash" else _centre(width, height, size)
    if (width, height) == (size, size):
        return np.array(picture)
    return _array(image.resize((size, size), Image.Resampling.BICUBIC, box=box))


def _centre(width: int, height: int, size: int) -> tuple[float, float, float, float]:
    """Returns the part of the picture that the centre of the resized one is made of."""
    shorter = min(width, height)
    new_width = int(size * width / shorter)
    new_height = int(size * height / shorter)
    left, top = round((new_width - size) / 2), round((new_height - size) / 2)
    across, down = width / new_width, height / new_height
    return (
        left * across,
        top * down,
        min((left + size) * across, float(width)),
        min((top + size) * down, float(height)),
    )


def _array(image: Any) -> Pixels:
    return np.asarray(image, dtype=np.uint8)
