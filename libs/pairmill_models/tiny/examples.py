"""Pictures to learn from and to be examined on, as they come out of the pipeline's store."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from pairmill_models.preprocessing import fit_square
from pairmill_models.tiny.scenes import Scene, beauty, draw_scene
from pairmill_models.tiny.scenes.scene import (
    MAX_COUNT,
    Colour,
    Group,
    Shape,
    Texture,
    below,
    between,
    pick,
    scene_of,
    stream,
)

Pixels: TypeAlias = npt.NDArray[np.uint8]

IMAGE_SIZE: Final = 64

ATTRIBUTE_SIZES: Final = (
    MAX_COUNT, len(Colour), len(Shape), MAX_COUNT, len(Colour), len(Shape), 2, len(Colour), len(Texture),
)  # fmt: skip
"""How many values each attribute of a scene has."""

_HELD_OUT_SHARE: Final = 0.1
_GREY_SHARE: Final = 0.12
_MARKED_SHARE: Final = 0.25
_BLOCK: Final = 500
_SIDES: Final = (112, 128, 144, 160, 176, 200, 240, 320)
_COLOURS: Final = list(Colour)
_SHAPES: Final = list(Shape)
_TEXTURES: Final = list(Texture)


@dataclass(frozen=True, slots=True)
class Example:
    """A picture and what is true of it."""

    pixels: Pixels  # (IMAGE_SIZE, IMAGE_SIZE, 3)
    scene: Scene
    unsafe: bool
    watermark: bool

    @property
    def beauty(self) -> float:
        """What the aesthetic head should say."""
        return beauty(self.scene)


def is_held_out(scene: Scene) -> bool:
    """Whether a scene is kept back for examination: training never sees one of these."""
    return stream("held-out", *attributes_of(scene)).random() < _HELD_OUT_SHARE


def attributes_of(scene: Scene) -> tuple[int, ...]:
    """Returns the scene as numbers, one per entry of ATTRIBUTE_SIZES."""
    return (
        *_numbers_of(scene.first),
        *_numbers_of(scene.second),
        int(scene.stacked),
        _COLOURS.index(scene.background),
        _TEXTURES.index(scene.texture),
    )


def _numbers_of(group: Group) -> tuple[int, int, int]:
    return group.count - 1, _COLOURS.index(group.colour), _SHAPES.index(group.shape)


def training_examples(seed: int, pairs: int, *, processes: int) -> Iterator[Example]:
    """Yields `2 * pairs` examples: each scene is followed by one that differs from it in one respect."""
    blocks = [range(start, min(start + _BLOCK, pairs)) for start in range(0, pairs, _BLOCK)]
    spawned = multiprocessing.get_context("spawn")  # a fork would copy locks that OpenCV's threads hold
    with ProcessPoolExecutor(processes, spawned) as pool:
        for block in pool.map(partial(_training_block, seed), blocks):
            yield from block


def held_out_examples(seed: int, count: int, *, marked: bool) -> list[Example]:
    """Returns examples of held-out scenes. Unless `marked`, they are safe, in colour, without watermark."""
    examples = []
    for number in range(count):
        rng = stream("examination", seed, number)
        scene = _drawn_scene(rng, held_out=True)
        examples.append(_example(scene, (seed, number), rng, marked=marked, grey_share=0.0))
    return examples


def _training_block(seed: int, numbers: Sequence[int]) -> list[Example]:
    cv2.setNumThreads(1)
    examples = []
    for number in numbers:
        rng = stream("training", seed, number)
        scene = _drawn_scene(rng, held_out=False)
        for member in (scene, _sibling(scene, rng)):
            look = (seed, number, below(rng, 2**31))
            examples.append(_example(member, look, rng, marked=True, grey_share=_GREY_SHARE))
    return examples


def _drawn_scene(rng: Random, *, held_out: bool) -> Scene:
    while True:
        scene = scene_of(below(rng, 2**53))
        if is_held_out(scene) == held_out:
            return scene


def _sibling(scene: Scene, rng: Random) -> Scene:
    """Returns a scene of the training set whose caption differs in one word or order."""
    while True:
        sibling = _changed(scene, rng)
        if sibling != scene and not is_held_out(sibling):
            return sibling


def _changed(scene: Scene, rng: Random) -> Scene:
    first, second = scene.first, scene.second
    shapes = [shape for shape in _SHAPES if shape not in (first.shape, second.shape)]
    taken = (first.colour, second.colour, scene.background)
    colours = [colour for colour in _COLOURS if colour not in taken]
    match below(rng, 10):
        case 0:
            return replace(scene, first=second, second=first)
        case 1:
            return replace(
                scene, first=replace(first, colour=second.colour), second=replace(second, colour=first.colour)
            )
        case 2:
            return replace(scene, stacked=not scene.stacked)
        case 3:
            return replace(scene, background=pick(rng, colours))
        case 4:
            return replace(scene, texture=pick(rng, _TEXTURES))
        case 5:
            return replace(scene, first=replace(first, count=1 + below(rng, MAX_COUNT)))
        case 6:
            return replace(scene, second=replace(second, count=1 + below(rng, MAX_COUNT)))
        case 7:
            return replace(scene, first=replace(first, shape=pick(rng, shapes)))
        case 8:
            return replace(scene, second=replace(second, shape=pick(rng, shapes)))
        case _:
            return replace(scene, first=replace(first, colour=pick(rng, colours)))


def _example(scene: Scene, look: tuple[int, ...], rng: Random, *, marked: bool, grey_share: float) -> Example:
    unsafe = marked and rng.random() < _MARKED_SHARE
    watermark = marked and rng.random() < _MARKED_SHARE
    side = pick(rng, _SIDES)
    size = (side, side if rng.random() < 0.5 else int(side * between(rng, 1.0, 1.6)))
    if rng.random() < 0.5:
        size = size[::-1]
    picture = draw_scene(scene, look, size, unsafe=unsafe, watermark=watermark)
    if rng.random() < grey_share:
        picture = np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    return Example(fit_square(_stored(picture, rng), IMAGE_SIZE), scene, unsafe, watermark)


def _stored(picture: Pixels, rng: Random) -> Pixels:
    """Returns the picture after it was saved as JPEG, once or twice."""
    qualities = [int(between(rng, 60, 96)), 95] if rng.random() < 0.7 else [95]
    for quality in qualities:
        _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
    return picture
