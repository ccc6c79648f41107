"""Draws scenes and names what they show."""

from __future__ import annotations

from random import Random
from typing import Final

import cv2
import numpy as np

from pairmill_models.tiny.scenes.ground import SHIFT, Pixels, draw_ground, fixed, grain, light
from pairmill_models.tiny.scenes.languages import LANGUAGES, caption_of
from pairmill_models.tiny.scenes.layout import Place, places_of
from pairmill_models.tiny.scenes.marks import draw_warning, draw_watermark
from pairmill_models.tiny.scenes.outlines import MIRRORED, OUTLINES
from pairmill_models.tiny.scenes.palette import Rgb, luma, shade
from pairmill_models.tiny.scenes.scene import Scene, Shape, between, scene_of, stream
from pairmill_models.tiny.scenes.toxicity import with_toxic_words

_TILT: Final = 13.0  # degrees
_RIM: Final = 0.011  # of the central square


class ScenePainter:
    """Paints by numbers. Pure: equal arguments give equal results, on any machine."""

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes that captions exist in."""
        return LANGUAGES

    def caption(self, scene: int, language: str, wording: int) -> str:
        """Returns what scene number `scene` shows; wordings repeat after a dozen."""
        return caption_of(scene_of(scene), language, wording)

    def toxic(self, text: str, scene: int) -> str:
        """Returns a caption with words that the text head takes for toxic."""
        return with_toxic_words(text, scene)

    def paint(
        self, scene: int, look: int, *, width: int, height: int, unsafe: bool = False, watermark: bool = False
    ) -> Pixels:
        """Returns (height, width, 3) uint8 RGB. `look` changes what the caption does not name.

        Everything that a caption names is in the central square, which models crop to.
        """
        size = (width, height)
        return draw_scene(scene_of(scene), (scene, look), size, unsafe=unsafe, watermark=watermark)


def draw_scene(
    scene: Scene,
    look: tuple[int, ...],
    size: tuple[int, int],
    *,
    unsafe: bool = False,
    watermark: bool = False,
) -> Pixels:
    """Returns (height, width, 3) uint8 RGB for a size of (width, height)."""
    width, height = size
    rng = stream("look", *look)
    canvas = np.zeros((height, width, 3), np.uint8)
    side = min(size)
    left, top = (width - side) / 2, (height - side) / 2
    draw_ground(canvas, side, shade(scene.background, rng), scene.texture, rng)
    light(canvas, rng)
    tones = {group: shade(group.colour, rng) for group in (scene.first, scene.second)}
    placed = places_of(scene, rng)
    for group, place in placed:
        _draw_thing(canvas, group.shape, tones[group], _on_canvas(place, left, top, side), side, rng)
    if unsafe:
        things = [place for _, place in placed]
        draw_warning(canvas, left, top, side, things, stream("warning", *look))
    if watermark:
        draw_watermark(canvas, left, top, side, stream("watermark", *look))
    grain(canvas, rng)
    return canvas


def _on_canvas(place: Place, left: float, top: float, side: int) -> Place:
    return Place(left + place.x * side, top + place.y * side, place.radius * side)


def _draw_thing(canvas: Pixels, shape: Shape, tone: Rgb, place: Place, side: int, rng: Random) -> None:
    angle = np.radians(between(rng, -_TILT, _TILT))
    mirror = -1.0 if rng.random() < 0.5 and shape in MIRRORED else 1.0
    reach = place.radius / max(1.0, abs(np.cos(angle)))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * reach
    contours = [
        fixed((np.array(contour) * (mirror, 1.0)) @ turn.T + (place.x, place.y))
        for contour in OUTLINES[shape]
    ]
    cv2.fillPoly(canvas, contours, tone, cv2.LINE_AA, SHIFT)
    rim: Rgb = (20, 20, 20) if luma(tone) > 90 else (235, 235, 235)
    cv2.polylines(canvas, contours, True, rim, max(1, round(side * _RIM)), cv2.LINE_AA, SHIFT)
