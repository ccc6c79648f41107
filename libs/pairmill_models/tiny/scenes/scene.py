"""What a scene holds: two groups of things beside or above each other before a background."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final, TypeVar

T = TypeVar("T")


class Shape(StrEnum):
    """What a thing is."""

    CIRCLE = "circle"
    SQUARE = "square"
    TRIANGLE = "triangle"
    STAR = "star"
    HEART = "heart"
    CROSS = "cross"
    RING = "ring"
    MOON = "moon"
    ARROW = "arrow"
    HOUSE = "house"
    TREE = "tree"
    FISH = "fish"
    FLOWER = "flower"
    BOAT = "boat"


class Colour(StrEnum):
    """What a thing or a background is coloured in."""

    RED = "red"
    ORANGE = "orange"
    YELLOW = "yellow"
    GREEN = "green"
    BLUE = "blue"
    PURPLE = "purple"
    PINK = "pink"
    BROWN = "brown"
    BLACK = "black"
    WHITE = "white"
    GREY = "grey"


class Texture(StrEnum):
    """What covers a background."""

    PLAIN = "plain"
    STRIPED = "striped"
    DOTTED = "dotted"
    CHECKED = "checked"


class Relation(StrEnum):
    """Where something is, seen from something else."""

    LEFT = "left"
    RIGHT = "right"
    ABOVE = "above"
    BELOW = "below"

    @property
    def reverse(self) -> Relation:
        """The same fact told from the other side."""
        return _REVERSE[self]


_REVERSE: Final = {
    Relation.LEFT: Relation.RIGHT,
    Relation.RIGHT: Relation.LEFT,
    Relation.ABOVE: Relation.BELOW,
    Relation.BELOW: Relation.ABOVE,
}

MAX_COUNT: Final = 3


@dataclass(frozen=True, slots=True)
class Group:
    """One to three equal things."""

    count: int
    colour: Colour
    shape: Shape


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a caption names. The groups differ in shape and colour, and from the background."""

    first: Group  # on the left, or above
    second: Group  # on the right, or below
    stacked: bool  # above each other instead of side by side
    background: Colour
    texture: Texture

    @property
    def relation(self) -> Relation:
        """Where the first group is, seen from the second."""
        return Relation.ABOVE if self.stacked else Relation.LEFT


SCENES: Final = (
    2 * len(Texture) * (MAX_COUNT * len(Shape) * len(Colour))
    * (MAX_COUNT * (len(Shape) - 1) * (len(Colour) - 1)) * (len(Colour) - 2)
)  # fmt: skip
"""How many different scenes there are."""


def stream(*parts: int | str) -> Random:
    """Returns random numbers that depend on all parts and on nothing else.

    Only `Random.random` is used on it: its sequence is the one that Python promises to keep.
    """
    data = "/".join(map(str, parts)).encode()
    digest = hashlib.blake2b(data, digest_size=8, person=b"pairmill-tiny").digest()
    return Random(int.from_bytes(digest, "big"))


def below(rng: Random, limit: int) -> int:
    """Returns an integer from 0 to limit - 1."""
    return int(rng.random() * limit)


def pick(rng: Random, choices: Sequence[T]) -> T:
    """Returns one of the choices."""
    return choices[below(rng, len(choices))]


def between(rng: Random, low: float, high: float) -> float:
    """Returns a number from low to high."""
    return low + (high - low) * rng.random()


def scene_of(number: int) -> Scene:
    """Returns the scene of a number. Any integer is one; different numbers rarely give equal scenes."""
    rng = stream("scene", number)
    colours, shapes = list(Colour), list(Shape)
    groups = []
    for _ in range(2):
        colour = colours.pop(below(rng, len(colours)))
        shape = shapes.pop(below(rng, len(shapes)))
        groups.append(Group(1 + below(rng, MAX_COUNT), colour, shape))
    return Scene(
        first=groups[0],
        second=groups[1],
        stacked=rng.random() < 0.5,
        background=pick(rng, colours),
        texture=pick(rng, list(Texture)),
    )
