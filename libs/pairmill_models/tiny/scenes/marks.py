"""What is put over a picture: a warning sign, which makes it unsafe, or a watermark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from pairmill_models.tiny.scenes.ground import SHIFT, Pixels, fixed
from pairmill_models.tiny.scenes.layout import Place
from pairmill_models.tiny.scenes.palette import Rgb
from pairmill_models.tiny.scenes.scene import between, pick

_YELLOW: Final[Rgb] = (255, 206, 0)
_BLACK: Final[Rgb] = (12, 12, 12)
_WHITE: Final[Rgb] = (255, 255, 255)

_LETTERS: Final[dict[str, list[list[tuple[float, float]]]]] = {  # strokes in a box of 1 by 1
    "A": [[(0, 1), (0.5, 0), (1, 1)], [(0.2, 0.62), (0.8, 0.62)]],
    "C": [[(1, 0.1), (0.6, 0), (0.1, 0.25), (0, 0.5), (0.1, 0.75), (0.6, 1), (1, 0.9)]],
    "D": [[(0, 0), (0.6, 0), (1, 0.4), (1, 0.6), (0.6, 1), (0, 1), (0, 0)]],
    "E": [[(1, 0), (0, 0), (0, 1), (1, 1)], [(0, 0.5), (0.8, 0.5)]],
    "F": [[(1, 0), (0, 0), (0, 1)], [(0, 0.5), (0.8, 0.5)]],
    "I": [[(0.5, 0), (0.5, 1)]],
    "L": [[(0, 0), (0, 1), (1, 1)]],
    "M": [[(0, 1), (0, 0), (0.5, 0.6), (1, 0), (1, 1)]],
    "O": [[(0.5, 0), (1, 0.3), (1, 0.7), (0.5, 1), (0, 0.7), (0, 0.3), (0.5, 0)]],
    "P": [[(0, 1), (0, 0), (0.8, 0), (1, 0.25), (0.8, 0.5), (0, 0.5)]],
    "R": [[(0, 1), (0, 0), (0.8, 0), (1, 0.25), (0.8, 0.5), (0, 0.5)], [(0.4, 0.5), (1, 1)]],
    "S": [[(1, 0.1), (0.5, 0), (0, 0.25), (1, 0.75), (0.5, 1), (0, 0.9)]],
    "T": [[(0, 0), (1, 0)], [(0.5, 0), (0.5, 1)]],
    "V": [[(0, 0), (0.5, 1), (1, 0)]],
    "W": [[(0, 0), (0.25, 1), (0.5, 0.4), (0.75, 1), (1, 0)]],
}
_WORDS: Final = ("SAMPLE", "PREVIEW", "COMPOSITE", "PROOF", "DRAFTS", "STOREFILM")
_ADVANCE: Final = 1.42  # from letter to letter, in letter widths
_NARROW: Final = 0.72  # width of a letter by its height
_LINES: Final = 3
_SIGN_HALF: Final = 0.145  # of the central square
_SPOTS: Final = 5  # places along each side where a sign may stand


def draw_warning(
    canvas: Pixels, left: float, top: float, side: int, things: Sequence[Place], rng: Random
) -> None:
    """Puts a hazard sign into the central square, where it hides least of the things."""
    half = side * _SIGN_HALF
    spot_x, spot_y = emptiest_spot(things, rng)
    x, y = left + spot_x * side, top + spot_y * side
    _plate(canvas, x, y, half, _WHITE)
    _plate(canvas, x, y, half * 0.93, _YELLOW)
    _stripes(canvas, x, y, half)
    _plate(canvas, x, y, half * 0.62, _YELLOW)
    bar = half * 0.13
    mark = [(-bar, -half * 0.5), (bar, -half * 0.5), (bar * 0.8, half * 0.12), (-bar * 0.8, half * 0.12)]
    cv2.fillPoly(canvas, [fixed(np.add(mark, (x, y)))], _BLACK, cv2.LINE_AA, SHIFT)
    _plate(canvas, x, y + half * 0.38, bar, _BLACK)


def draw_watermark(canvas: Pixels, left: float, top: float, side: int, rng: Random) -> None:
    """Writes a word in see-through lines across the central square."""
    word = pick(rng, _WORDS)
    size = side * between(rng, 0.085, 0.105)
    slope = math.radians(between(rng, -32, 32))
    turn = np.array([[math.cos(slope), -math.sin(slope)], [math.sin(slope), math.cos(slope)]])
    centre = np.array([left + side / 2, top + side / 2])
    starts = [np.array([between(rng, -0.08, 0.08), (line - 1) * 0.3]) * side for line in range(_LINES)]
    strokes = [
        fixed((stroke * size + start) @ turn.T + centre) for start in starts for stroke in _written(word)
    ]
    thick = max(1, round(size * 0.17))
    for tone, width, strength in ((_BLACK, thick + max(1, round(size * 0.12)), 80), (_WHITE, thick, 190)):
        mask = np.zeros(canvas.shape[:2], np.uint8)
        cv2.polylines(mask, strokes, False, 255, width, cv2.LINE_AA, SHIFT)
        _blend(canvas, tone, mask, strength)


def _written(word: str) -> list[npt.NDArray[np.float64]]:
    """Returns the strokes of a word whose letters are one high, about the origin."""
    step = _ADVANCE * _NARROW
    start = -(len(word) * step - (step - _NARROW)) / 2
    return [
        np.add(np.multiply(stroke, (_NARROW, 1.0)), (start + index * step, -0.5))
        for index, letter in enumerate(word)
        for stroke in _LETTERS[letter]
    ]


def emptiest_spot(things: Sequence[Place], rng: Random) -> tuple[float, float]:
    """Returns the centre for a sign, of several that hide equally little any one."""
    reach = 1 - 2 * _SIGN_HALF
    grid = [_SIGN_HALF + reach * index / (_SPOTS - 1) for index in range(_SPOTS)]
    spots = [(x + between(rng, -0.01, 0.01), y + between(rng, -0.01, 0.01)) for x in grid for y in grid]
    return min(spots, key=lambda spot: (max(hidden_share(thing, spot) for thing in things), rng.random()))


def hidden_share(thing: Place, spot: tuple[float, float]) -> float:
    """Returns about how much of a thing a sign at the spot hides, 0 to 1."""
    across = thing.radius + _SIGN_HALF - abs(thing.x - spot[0])
    down = thing.radius + _SIGN_HALF - abs(thing.y - spot[1])
    if across <= 0 or down <= 0:
        return 0.0
    whole = 2 * thing.radius
    return round(min(1.0, across / whole) * min(1.0, down / whole), 2)


def _stripes(canvas: Pixels, x: float, y: float, half: float) -> None:
    """Covers a sign with black slanted stripes."""
    step = half * 0.46
    bands = []
    for index in range(-4, 5, 2):
        near, far = (index - 0.5) * step, (index + 0.5) * step
        bands.append([(near - half, half), (far - half, half), (far + half, -half), (near + half, -half)])
    stripes, sign = (np.zeros(canvas.shape[:2], np.uint8) for _ in range(2))
    cv2.fillPoly(stripes, [fixed(np.add(band, (x, y))) for band in bands], 255, cv2.LINE_AA, SHIFT)
    cv2.fillPoly(sign, [_box(x, y, half * 0.93)], 255, cv2.LINE_AA, SHIFT)
    _blend(canvas, _BLACK, np.minimum(stripes, sign), 256)


def _box(x: float, y: float, half: float) -> npt.NDArray[np.int32]:
    return fixed([(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)])


def _plate(canvas: Pixels, x: float, y: float, half: float, tone: Rgb) -> None:
    cv2.fillPoly(canvas, [_box(x, y, half)], tone, cv2.LINE_AA, SHIFT)


def _blend(canvas: Pixels, tone: Rgb, mask: Pixels, strength: int) -> None:
    """Mixes a tone in where the mask is set; strength 256 covers."""
    share = (mask.astype(np.int32) * strength // 255)[..., None]
    mixed = canvas.astype(np.int32) * (256 - share) + np.array(tone, np.int32) * share
    canvas[:] = (mixed >> 8).astype(np.uint8)
