"""Outlines of the shapes, in a square from -1 to 1 with y pointing down.

A shape is a list of closed contours; what lies inside an odd number of them is filled.
"""

from __future__ import annotations

import math
from typing import Final, TypeAlias

from pairmill_models.tiny.scenes.scene import Shape

Point: TypeAlias = tuple[float, float]
Contour: TypeAlias = list[Point]


def _around(count: int, radius: float, *, start: float = -90.0) -> Contour:
    """Points on a circle, the first at the top."""
    turn = 2 * math.pi / count
    first = math.radians(start)
    return [
        (radius * math.cos(first + turn * index), radius * math.sin(first + turn * index))
        for index in range(count)
    ]


def _star() -> Contour:
    outer, inner = _around(5, 1.0), _around(5, 0.4, start=-54.0)
    return [point for pair in zip(outer, inner, strict=True) for point in pair]


def _heart() -> Contour:
    contour = []
    for index in range(40):
        angle = 2 * math.pi * index / 40
        x = 16 * math.sin(angle) ** 3
        y = 13 * math.cos(angle) - 5 * math.cos(2 * angle) - 2 * math.cos(3 * angle) - math.cos(4 * angle)
        contour.append((x / 16.5, -(y + 2.5) / 16.5))
    return contour


def _moon() -> Contour:
    outer = [_polar(1.0, degrees) for degrees in range(50, 311, 10)]
    inner = [(0.42 + x * 0.8, y * 0.8) for x, y in (_polar(1.0, degrees) for degrees in range(293, 66, -10))]
    return outer + inner


def _flower() -> Contour:
    contour = []
    for index in range(90):
        angle = 2 * math.pi * index / 90
        contour.append(_scaled(0.7 + 0.3 * math.cos(6 * angle), angle))
    return contour


def _polar(radius: float, degrees: float) -> Point:
    return _scaled(radius, math.radians(degrees))


def _scaled(radius: float, angle: float) -> Point:
    return radius * math.cos(angle), radius * math.sin(angle)


def _fish() -> Contour:
    body = [
        (0.28 + 0.72 * x, 0.52 * y) for x, y in (_polar(1.0, degrees) for degrees in range(-155, 156, 12))
    ]
    return [*body, (-1.0, 0.62), (-0.78, 0.0), (-1.0, -0.62)]


OUTLINES: Final[dict[Shape, list[Contour]]] = {
    Shape.CIRCLE: [_around(40, 0.95)],
    Shape.SQUARE: [[(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)]],
    Shape.TRIANGLE: [[(0.0, -1.0), (1.0, 0.8), (-1.0, 0.8)]],
    Shape.STAR: [_star()],
    Shape.HEART: [_heart()],
    Shape.CROSS: [
        [
            (-0.32, -1.0), (0.32, -1.0), (0.32, -0.32), (1.0, -0.32), (1.0, 0.32), (0.32, 0.32),
            (0.32, 1.0), (-0.32, 1.0), (-0.32, 0.32), (-1.0, 0.32), (-1.0, -0.32), (-0.32, -0.32),
        ]
    ],
    Shape.RING: [_around(40, 1.0), _around(40, 0.52)],
    Shape.MOON: [_moon()],
    Shape.ARROW: [
        [(-1.0, -0.28), (0.1, -0.28), (0.1, -0.85), (1.0, 0.0), (0.1, 0.85), (0.1, 0.28), (-1.0, 0.28)]
    ],
    Shape.HOUSE: [
        [(0.0, -1.0), (1.0, -0.15), (0.75, -0.15), (0.75, 0.95), (-0.75, 0.95), (-0.75, -0.15),
         (-1.0, -0.15)],
        [(-0.22, 0.95), (-0.22, 0.2), (0.22, 0.2), (0.22, 0.95)],
    ],
    Shape.TREE: [
        [
            (0.0, -1.0), (0.5, -0.35), (0.28, -0.35), (0.85, 0.45), (0.2, 0.45), (0.2, 1.0),
            (-0.2, 1.0), (-0.2, 0.45), (-0.85, 0.45), (-0.28, -0.35), (-0.5, -0.35),
        ]
    ],
    Shape.FISH: [_fish(), [(0.66, -0.22), (0.82, -0.22), (0.82, -0.06), (0.66, -0.06)]],
    Shape.FLOWER: [_flower(), _around(16, 0.24)],
    Shape.BOAT: [
        [(-1.0, 0.4), (1.0, 0.4), (0.65, 0.95), (-0.65, 0.95)],
        [(-0.08, -1.0), (-0.08, 0.28), (-0.85, 0.28)],
        [(0.1, -0.8), (0.75, 0.28), (0.1, 0.28)],
    ],
}  # fmt: skip
"""Contours by shape."""

MIRRORED: Final = frozenset({Shape.MOON, Shape.ARROW, Shape.FISH, Shape.BOAT})
"""Shapes that look different in a mirror, and may be drawn either way."""
