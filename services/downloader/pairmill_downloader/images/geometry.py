"""From the size of a picture to the size that is stored, and the resizing itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from pairmill_protos.job.v1.job_pb2 import ImageRules, ResizeMode

Pixels = npt.NDArray[np.uint8]

_WHITE: Final = (255, 255, 255)
_BY_LONGER_SIDE: Final = frozenset({ResizeMode.RESIZE_MODE_KEEP_RATIO_LARGEST, ResizeMode.RESIZE_MODE_BORDER})
_SQUARE: Final = frozenset({ResizeMode.RESIZE_MODE_CENTER_CROP, ResizeMode.RESIZE_MODE_BORDER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What is done to a picture: scaled to `width` x `height`, then cut or bordered to a square if asked."""

    width: int
    height: int
    square: int | None = None


def fit(width: int, height: int, rules: ImageRules) -> Fit | None:
    """Returns what the rules do to a picture of this size, or None if it stays as it is."""
    mode = rules.resize_mode
    if mode == ResizeMode.RESIZE_MODE_NO:
        return None
    side = max(width, height) if mode in _BY_LONGER_SIDE else min(width, height)
    if rules.only_shrink and side <= rules.image_size:
        return None
    square = rules.image_size if mode in _SQUARE else None
    scaled = Fit(
        width=_scaled(width, side, rules.image_size),
        height=_scaled(height, side, rules.image_size),
        square=square,
    )
    unchanged = (scaled.width, scaled.height) == (width, height)
    return None if unchanged and square in (None, width) and square in (None, height) else scaled


def resize(picture: Pixels, wanted: Fit) -> Pixels:
    """Returns the picture as the fit has it; shrunk by the mean of areas, enlarged by Lanczos."""
    height, width = picture.shape[:2]
    if (width, height) != (wanted.width, wanted.height):
        shrinks = wanted.width <= width and wanted.height <= height
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4
        picture = np.asarray(cv2.resize(picture, (wanted.width, wanted.height), interpolation=method))
    if wanted.square is None:
        return picture
    return _bordered(_cropped(picture, wanted.square), wanted.square)


def _scaled(length: int, side: int, wanted: int) -> int:
    """Returns a length after `side` became `wanted`, rounded, halves up."""
    return max(1, (2 * length * wanted + side) // (2 * side))


def _cropped(picture: Pixels, square: int) -> Pixels:
    """Returns at most the centre square."""
    height, width = picture.shape[:2]
    top, left = max(0, (height - square) // 2), max(0, (width - square) // 2)
    return picture[top : top + square, left : left + square]


def _bordered(picture: Pixels, square: int) -> Pixels:
    """Returns the picture in the middle of a white square."""
    height, width = picture.shape[:2]
    if (width, height) == (square, square):
        return np.ascontiguousarray(picture)
    framed = np.full((square, square, 3), _WHITE, dtype=np.uint8)
    top, left = (square - height) // 2, (square - width) // 2
    framed[top : top + height, left : left + width] = picture
    return framed
