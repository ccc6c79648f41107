"""Where the things of a scene are, as fractions of the picture's central square."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from pairmill_models.tiny.scenes.scene import Group, Scene, between

_MARGIN: Final = 0.045
_GAP: Final = 0.04
_SPLIT: Final = (0.4, 0.6)
_FILL: Final = (0.68, 0.98)  # share of its cell that a thing takes
_UNLIKE: Final = (0.84, 1.0)  # sizes in a group
_LARGEST: Final = 0.2


@dataclass(frozen=True, slots=True)
class Place:
    """Centre and radius of one thing."""

    x: float
    y: float
    radius: float


def places_of(scene: Scene, rng: Random) -> list[tuple[Group, Place]]:
    """Returns every thing of the scene with its place; none overlap."""
    split = between(rng, *_SPLIT)
    placed = []
    for group, low, high in (
        (scene.first, _MARGIN, split - _GAP / 2),
        (scene.second, split + _GAP / 2, 1 - _MARGIN),
    ):
        for along, across, radius in _row(group.count, low, high, rng):
            x, y = (across, along) if scene.stacked else (along, across)
            placed.append((group, Place(x, y, radius)))
    return placed


def _row(count: int, low: float, high: float, rng: Random) -> Iterator[tuple[float, float, float]]:
    """Spreads things over a band: along its short side (low to high), and across the whole square."""
    cell = (1 - 2 * _MARGIN) / count
    half = min(high - low, cell) / 2
    size = between(rng, *_FILL)
    for index in range(count):
        radius = min(_LARGEST, half * size * between(rng, *_UNLIKE))
        start = _MARGIN + index * cell
        along = between(rng, low + radius, high - radius)
        across = between(rng, start + radius, start + cell - radius)
        yield along, across, radius
