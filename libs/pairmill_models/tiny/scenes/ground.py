"""Backgrounds: a colour, a texture in it, uneven light and a little grain."""

from __future__ import annotations

from random import Random
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from pairmill_models.tiny.scenes.palette import Rgb, luma, moved
from pairmill_models.tiny.scenes.scene import Texture, below, between

Pixels = npt.NDArray[np.uint8]

SHIFT: Final = 4
"""Bits behind the point in the coordinates given to OpenCV."""

_LIGHT_POINTS: Final = 7
_LIGHT_DEPTH: Final = 52  # of 256
_GLOW: Final = 5  # of 8 of the depth in levels are added, so that dark grounds are uneven too
_GRAIN: Final = 3
_GRAIN_TILE: Final = 128


def draw_ground(canvas: Pixels, side: int, tone: Rgb, texture: Texture, rng: Random) -> None:
    """Fills the canvas; `side` is the length that the texture's period follows."""
    canvas[:] = tone
    by = between(rng, 46, 60)
    other = moved(tone, int(by if luma(tone) < 110 else -by))
    period = side * between(rng, 0.13, 0.19)
    match texture:
        case Texture.PLAIN:
            pass
        case Texture.STRIPED:
            _stripes(canvas, other, period, between(rng, 0.0, 180.0))
        case Texture.DOTTED:
            _dots(canvas, other, period, rng)
        case Texture.CHECKED:
            _checks(canvas, other, period, rng)


def light(canvas: Pixels, rng: Random) -> None:
    """Makes some parts of the picture brighter than others, without an edge."""
    height, width = canvas.shape[:2]
    levels = [below(rng, 2 * _LIGHT_DEPTH + 1) - _LIGHT_DEPTH for _ in range(_LIGHT_POINTS**2)]
    grid = np.array(levels, np.int64).reshape(_LIGHT_POINTS, _LIGHT_POINTS)
    field = _stretched(_stretched(grid, width).T, height).T.astype(np.int32)[..., None]
    bright = (canvas * (256 + field) >> 8) + (field * _GLOW >> 3)  # whole numbers: equal on every machine
    canvas[:] = np.clip(bright, 0, 255).astype(np.uint8)


def grain(canvas: Pixels, rng: Random) -> None:
    """Adds noise of a few levels, as a sensor does."""
    height, width = canvas.shape[:2]
    source = np.random.RandomState(below(rng, 2**32))  # its sequence is frozen, a Generator's is not
    levels = source.randint(-_GRAIN, _GRAIN + 1, (_GRAIN_TILE, _GRAIN_TILE, 1)).astype(np.int16)
    tiles = (-(-height // _GRAIN_TILE), -(-width // _GRAIN_TILE), 1)
    noisy = canvas.astype(np.int16) + np.tile(levels, tiles)[:height, :width]
    canvas[:] = np.clip(noisy, 0, 255).astype(np.uint8)


def fixed(points: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Returns coordinates of pixel corners in OpenCV's fixed-point form, whose origin is a pixel's centre."""
    scaled = (np.asarray(points, np.float64) - 0.5) * (1 << SHIFT)
    return np.rint(scaled).astype(np.int32)


def _stretched(grid: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.int64]:
    """Interpolates the last axis linearly to `length`."""
    cells = grid.shape[-1] - 1
    place = np.arange(length, dtype=np.int64) * cells * 256 // max(1, length - 1)
    left = np.minimum(place >> 8, cells - 1)
    part = place - (left << 8)
    blended: npt.NDArray[np.int64] = (grid[..., left] * (256 - part) + grid[..., left + 1] * part) >> 8
    return blended


def _stripes(canvas: Pixels, tone: Rgb, period: float, degrees: float) -> None:
    height, width = canvas.shape[:2]
    reach = float(np.hypot(height, width))
    angle = np.radians(degrees)
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    centre = np.array([width / 2, height / 2])
    bands = []
    for index in range(-int(reach / period / 2) - 1, int(reach / period / 2) + 2):
        near = centre + across * index * period
        far = near + across * period / 2
        ends = [near - along * reach, near + along * reach, far + along * reach, far - along * reach]
        bands.append(fixed(ends))
    cv2.fillPoly(canvas, bands, tone, cv2.LINE_AA, SHIFT)


def _dots(canvas: Pixels, tone: Rgb, period: float, rng: Random) -> None:
    height, width = canvas.shape[:2]
    radius = round(period * between(rng, 0.26, 0.32) * (1 << SHIFT))
    left, top = between(rng, 0, period), between(rng, 0, period)
    for row in range(-1, int(height / period) + 2):
        for column in range(-1, int(width / period) + 2):
            centre = fixed([left + (column + row % 2 / 2) * period, top + row * period])
            cv2.circle(canvas, (int(centre[0]), int(centre[1])), radius, tone, cv2.FILLED, cv2.LINE_AA, SHIFT)


def _checks(canvas: Pixels, tone: Rgb, period: float, rng: Random) -> None:
    height, width = canvas.shape[:2]
    left, top = below(rng, 1 << 16), below(rng, 1 << 16)
    half = max(1, round(period * 0.6 * 256))
    columns = ((np.arange(width, dtype=np.int64) * 256 + left) // half) & 1
    rows = ((np.arange(height, dtype=np.int64) * 256 + top) // half) & 1
    canvas[(rows[:, None] ^ columns[None, :]) == 1] = tone
