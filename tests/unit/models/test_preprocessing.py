"""Pictures become squares as open_clip makes them, whatever their shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from pairmill_models.embedder import Pixels
from pairmill_models.preprocessing import fit_square
from tests.fakes.shard import drawn_picture

SIZE = 32


def resized_then_cropped(picture: Pixels, size: int) -> Pixels:
    """What torchvision's Resize(size, bicubic) and CenterCrop(size) do to a Pillow image."""
    height, width = picture.shape[:2]
    if width <= height:
        new: tuple[int, int] = (size, int(size * height / width))
    else:
        new = (int(size * width / height), size)
    whole = np.asarray(Image.fromarray(picture).resize(new, Image.Resampling.BICUBIC))
    top, left = round((new[1] - size) / 2.0), round((new[0] - size) / 2.0)
    return np.asarray(whole[top : top + size, left : left + size])


@pytest.mark.parametrize(
    ("width", "height"), [(48, 40), (40, 48), (32, 32), (100, 33), (33, 100), (7, 5), (64, 64), (300, 200)]
)
def test_the_centre_of_the_resized_picture_is_kept(width: int, height: int) -> None:
    picture = drawn_picture(3, width, height)
    square = fit_square(picture, SIZE)
    assert square.shape == (SIZE, SIZE, 3)
    assert square.dtype == np.uint8
    assert np.array_equal(square, resized_then_cropped(picture, SIZE))


def test_a_picture_of_the_right_size_stays_as_it_is() -> None:
    picture = drawn_picture(1, SIZE, SIZE)
    assert np.array_equal(fit_square(picture, SIZE), picture)


@pytest.mark.parametrize(("width", "height"), [(1, 100_000), (100_000, 1), (1, 1), (20_000, 2)])
def test_e13_extreme_shapes_cost_no_more_than_others(width: int, height: int) -> None:
    picture = np.full((height, width, 3), 77, dtype=np.uint8)
    assert (fit_square(picture, 224) == 77).all()


def test_e13_of_a_very_long_picture_the_middle_is_kept() -> None:
    picture = np.zeros((10, 1000, 3), dtype=np.uint8)
    picture[:, 490:510] = 200
    square = fit_square(picture, SIZE)
    assert (square[:, 4:-4] == 200).all()
    reference = resized_then_cropped(picture, SIZE).astype(int)
    assert np.abs(square.astype(int) - reference).max() <= 1


def test_squashing_keeps_the_whole_picture() -> None:
    picture = np.zeros((20, 80, 3), dtype=np.uint8)
    picture[:, 40:] = 255
    square = fit_square(picture, SIZE, "squash")
    assert square.shape == (SIZE, SIZE, 3)
    assert square[:, :12].max() == 0
    assert square[:, -12:].min() == 255


@pytest.mark.parametrize("view", [lambda p: p[::-1, ::-1], lambda p: p[:, ::2], lambda p: p[..., ::-1]])
def test_views_of_other_arrays_are_taken_as_they_look(view: Any) -> None:
    picture = view(drawn_picture(5, 90, 70))
    assert np.array_equal(fit_square(picture, SIZE), fit_square(np.ascontiguousarray(picture), SIZE))


def test_the_picture_given_is_left_as_it_is() -> None:
    picture = drawn_picture(2, SIZE, SIZE)
    before = picture.copy()
    fit_square(picture, SIZE)
    fit_square(picture, 2 * SIZE)
    assert np.array_equal(picture, before)
