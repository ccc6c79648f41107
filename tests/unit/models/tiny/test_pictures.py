"""Drawn pictures: equal on every machine, unlike each other, and true to what is asked."""

from __future__ import annotations

import hashlib
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from pairmill_models.tiny.scenes import ScenePainter, beauty, scene_of
from pairmill_models.tiny.scenes.ground import Pixels
from pairmill_models.tiny.scenes.layout import places_of
from pairmill_models.tiny.scenes.marks import emptiest_spot, hidden_share
from pairmill_models.tiny.scenes.palette import luma, shade
from pairmill_models.tiny.scenes.scene import Colour, stream

PAINTER = ScenePainter()


@pytest.mark.parametrize(
    ("scene", "look", "size", "marks", "digest"),
    [
        (1, 1, (160, 160), (False, False), "a7859921ac3ee43c"),
        (2**62 + 5, 7, (301, 199), (True, False), "d8b483df1bdf2919"),
        (3, 2, (144, 288), (False, True), "50ac09674d1a0427"),
        (-4, 0, (64, 1000), (True, True), "2d9acbc4f4cd8e40"),
    ],
)
def test_a_picture_is_the_same_on_every_machine(
    scene: int, look: int, size: tuple[int, int], marks: tuple[bool, bool], digest: str
) -> None:
    pixels = PAINTER.paint(scene, look, width=size[0], height=size[1], unsafe=marks[0], watermark=marks[1])
    assert pixels.shape == (size[1], size[0], 3)
    assert pixels.dtype == np.uint8
    assert hashlib.sha256(pixels.tobytes()).hexdigest().startswith(digest)


def test_a_look_changes_the_picture_and_not_the_scene() -> None:
    one, other = (PAINTER.paint(5, look, width=128, height=128) for look in (1, 2))
    assert np.abs(one.astype(int) - other).mean() > 8


@pytest.mark.parametrize("mark", ["unsafe", "watermark"])
def test_a_mark_is_put_over_an_otherwise_equal_picture(mark: str) -> None:
    for number in range(20):
        clean = PAINTER.paint(number, 1, width=160, height=160)
        marked = PAINTER.paint(number, 1, width=160, height=160, **{mark: True})
        changed = (clean != marked).any(axis=2).mean()
        assert 0.03 < changed < 0.4


def test_a_sign_leaves_most_of_every_thing_visible() -> None:
    """An unsafe picture has to be found similar to its caption, or it would be dropped for that."""
    worst = []
    for number in range(300):
        things = [place for _, place in places_of(scene_of(number), stream("look", number))]
        spot = emptiest_spot(things, stream("sign", number))
        worst.append(max(hidden_share(thing, spot) for thing in things))
    assert max(worst) < 0.6
    assert np.mean(worst) < 0.2


def test_different_scenes_look_different_to_a_perceptual_hash() -> None:
    rng = stream("hash")
    hashes = np.array(
        [
            perceptual_hash(PAINTER.paint(number, number, width=144 + int(rng.random() * 150), height=176))
            for number in range(600)
        ]
    )
    signs = hashes.astype(np.int64) * 2 - 1
    distances = (64 - signs @ signs.T) // 2
    assert distances[np.triu_indices(len(hashes), 1)].min() > 6


def test_the_same_picture_saved_worse_looks_the_same_to_a_perceptual_hash() -> None:
    for number in range(60):
        picture = PAINTER.paint(number, 3, width=200, height=160)
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 70])
        again = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
        small = cv2.resize(picture, (150, 120), interpolation=cv2.INTER_AREA)
        for other in (again, np.asarray(small, np.uint8)):
            assert (perceptual_hash(picture) != perceptual_hash(other)).sum() <= 6


def perceptual_hash(picture: Pixels) -> npt.NDArray[Any]:
    """Low frequencies of the brightness against their median: 64 bits."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = np.asarray(cv2.dct(small))[:8, :8].ravel()
    return np.asarray(low > np.median(low[1:]))


@pytest.mark.parametrize("colour", Colour)
def test_tones_of_a_colour_stay_nearer_to_it_than_to_any_other(colour: Colour) -> None:
    bases = {other: np.mean([shade(other, stream(other, number)) for number in range(50)], axis=0)
             for other in Colour}  # fmt: skip
    for number in range(100):
        tone = np.array(shade(colour, stream("tone", number)))
        assert min(Colour, key=lambda other: float(np.abs(bases[other] - tone).sum())) is colour


def test_brightness_goes_from_black_to_white() -> None:
    assert (luma((0, 0, 0)), luma((255, 255, 255))) == (0, 255)


def test_beauty_is_a_number_from_one_to_nine_that_varies() -> None:
    scores = np.array([beauty(scene_of(number)) for number in range(2000)])
    assert scores.min() >= 1
    assert scores.max() <= 9
    assert scores.std() > 1
