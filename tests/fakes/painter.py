"""A painter without a library of scenes: coloured blocks, and captions that name their numbers."""

from __future__ import annotations

import random
from typing import Final

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

TOXIC_WORD: Final = "grumble"
_WORDS: Final = {
    "en": "a picture of scene {scene}, seen from side {wording}",
    "de": "ein Bild der Szene {scene}, von der Seite {wording}",
    "fr": "une image de la scène {scene}, vue du côté {wording}",
}
_BLOCKS: Final = 6


class FakePainter:
    """Draws a scene as a grid of blocks in random colours; a look shades it a little."""

    languages: tuple[str, ...] = tuple(_WORDS)

    def caption(self, scene: int, language: str, wording: int) -> str:
        """Returns a caption that is this scene's alone."""
        return _WORDS[language].format(scene=scene % 10**9, wording=wording)

    def toxic(self, text: str, scene: int) -> str:
        """Returns the caption with the one toxic word."""
        del scene
        return f"{text}, {TOXIC_WORD}"

    def paint(
        self, scene: int, look: int, *, width: int, height: int, unsafe: bool, watermark: bool
    ) -> Pixels:
        """Returns (height, width, 3); a white corner is the sign, a black line the watermark."""
        colours = np.frombuffer(random.Random(scene).randbytes(_BLOCKS**2 * 3), dtype=np.uint8)
        grid = colours.reshape(_BLOCKS, _BLOCKS, 3)
        rows = np.arange(height) * _BLOCKS // height
        columns = np.arange(width) * _BLOCKS // width
        pixels = np.array(grid[rows[:, None], columns[None, :]])
        pixels += np.uint8(look % 3)
        if unsafe:
            pixels[: height // 3, : width // 3] = 255
        if watermark:
            pixels[height // 2 : height // 2 + 4] = 0
        return pixels
