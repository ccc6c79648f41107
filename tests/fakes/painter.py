"""A painter without a library of scenes: coloured blocks, and captions that name their numbers."""

from __future__ import annotations

import random
from typing import Final

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

TOXIC_WORD: Final = "grumble"
BLOCKS: Final = 6
"""Blocks of a scene's grid on each side."""

BRIGHTEST: Final = 200
"""No block is brighter, so that a white corner is the sign and nothing else."""

_NUMBERS: Final = 10**9
_WORDS: Final = {
    "en": "a picture of scene {scene}, seen from side {wording}",
    "de": "ein Bild der Szene {scene}, von der Seite {wording}",
    "fr": "une image de la scène {scene}, vue du côté {wording}",
}


class FakePainter:
    """Draws a scene as a grid of blocks in random colours; a look shades it a little."""

    languages: tuple[str, ...] = tuple(_WORDS)

    def caption(self, scene: int, language: str, wording: int) -> str:
        """Returns a caption that is this scene's alone."""
        return _WORDS[language].format(scene=scene % _NUMBERS, wording=wording)

    def toxic(self, text: str, scene: int) -> str:
        """Returns the caption with the one toxic word."""
        del scene
        return f"{text}, {TOXIC_WORD}"

    def paint(
        self, scene: int, look: int, *, width: int, height: int, unsafe: bool, watermark: bool
    ) -> Pixels:
        """Returns (height, width, 3); a white corner is the sign, a black one the watermark."""
        grid = grid_of(scene % _NUMBERS)
        rows = np.arange(height) * BLOCKS // height
        columns = np.arange(width) * BLOCKS // width
        pixels = np.array(grid[rows[:, None], columns[None, :]]) + np.uint8(look % 3)
        if unsafe:
            pixels[: height // BLOCKS, : width // BLOCKS] = 255
        if watermark:
            pixels[-height // BLOCKS :, -width // BLOCKS :] = 0
        return pixels


def grid_of(number: int) -> Pixels:
    """Returns the colours of a scene, (BLOCKS, BLOCKS, 3) in 40..BRIGHTEST."""
    colours = np.frombuffer(random.Random(number).randbytes(BLOCKS**2 * 3), dtype=np.uint8)
    scaled = 40 + colours.astype(np.float64) / 255 * (BRIGHTEST - 40)
    return scaled.astype(np.uint8).reshape(BLOCKS, BLOCKS, 3)
