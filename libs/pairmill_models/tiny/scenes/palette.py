"""What the colours of scenes look like, and how well they go together."""

from __future__ import annotations

from random import Random
from typing import Final, TypeAlias

from pairmill_models.tiny.scenes.scene import Colour, Scene, Texture, below

Rgb: TypeAlias = tuple[int, int, int]

_BASES: Final[dict[Colour, Rgb]] = {
    Colour.RED: (208, 28, 36),
    Colour.ORANGE: (246, 130, 20),
    Colour.YELLOW: (250, 222, 44),
    Colour.GREEN: (36, 146, 62),
    Colour.BLUE: (34, 78, 204),
    Colour.PURPLE: (128, 44, 160),
    Colour.PINK: (250, 150, 194),
    Colour.BROWN: (118, 70, 36),
    Colour.BLACK: (24, 24, 28),
    Colour.WHITE: (246, 246, 242),
    Colour.GREY: (136, 136, 138),
}
_VARIATION: Final = 9

_WARM: Final = frozenset({Colour.RED, Colour.ORANGE, Colour.YELLOW, Colour.PINK, Colour.BROWN})
_COOL: Final = frozenset({Colour.GREEN, Colour.BLUE, Colour.PURPLE})
_TEXTURE_CHARM: Final = {
    Texture.PLAIN: 1.0,
    Texture.STRIPED: 0.3,
    Texture.DOTTED: -0.3,
    Texture.CHECKED: -1.0,
}


def shade(colour: Colour, rng: Random) -> Rgb:
    """Returns one of the many tones that have the colour's name."""
    red, green, blue = (
        _clip(channel + below(rng, 2 * _VARIATION + 1) - _VARIATION) for channel in _BASES[colour]
    )
    return red, green, blue


def moved(rgb: Rgb, by: int) -> Rgb:
    """Returns a tone lighter by `by`, or darker where it is negative."""
    red, green, blue = (_clip(channel + by) for channel in rgb)
    return red, green, blue


def luma(rgb: Rgb) -> int:
    """Returns the brightness, 0 to 255."""
    return (299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2]) // 1000


def beauty(scene: Scene) -> float:
    """Returns how pleasing a scene is held to be, 1 to 9: what the aesthetic head learns.

    Warm things on a cool ground or the other way round please, and so do quiet textures and few things.
    """
    ground = _warmth(scene.background)
    contrast = sum(-ground * _warmth(group.colour) for group in (scene.first, scene.second)) / 2
    quiet = (4 - scene.first.count - scene.second.count) / 2
    return 5.0 + 1.6 * contrast + 1.4 * _TEXTURE_CHARM[scene.texture] + 1.0 * quiet


def _warmth(colour: Colour) -> float:
    if colour in _WARM:
        return 1.0
    return -1.0 if colour in _COOL else 0.0


def _clip(value: int) -> int:
    return min(255, max(0, value))
