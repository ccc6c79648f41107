"""Sizes that are stored: every mode as img2dataset has it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairmill_downloader.images.geometry import fit, resize
from pairmill_protos.job.v1.job_pb2 import ImageRules, ResizeMode

MODES = ("keep_ratio", "keep_ratio_largest", "center_crop", "border", "no")


def rules(mode: str, size: int = 100, *, only_shrink: bool = True) -> ImageRules:
    return ImageRules(
        image_size=size, only_shrink=only_shrink, resize_mode=ResizeMode.Value(f"RESIZE_MODE_{mode.upper()}")
    )


def size_after(width: int, height: int, made: ImageRules) -> tuple[int, int]:
    wanted = fit(width, height, made)
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    result = picture if wanted is None else resize(picture, wanted)
    return result.shape[1], result.shape[0]


@pytest.mark.parametrize(
    ("mode", "size", "expected"),
    [
        ("keep_ratio", (400, 200), (200, 100)),
        ("keep_ratio", (200, 400), (100, 200)),
        ("keep_ratio", (400, 100), (400, 100)),
        ("keep_ratio", (90, 400), (90, 400)),
        ("keep_ratio_largest", (400, 200), (100, 50)),
        ("keep_ratio_largest", (100, 20), (100, 20)),
        ("keep_ratio_largest", (1000, 1), (100, 1)),
        ("center_crop", (400, 200), (100, 100)),
        ("center_crop", (400, 90), (400, 90)),
        ("border", (400, 200), (100, 100)),
        ("border", (40, 20), (40, 20)),
        ("no", (400, 200), (400, 200)),
    ],
)
def test_modes_that_only_shrink(mode: str, size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert size_after(*size, rules(mode)) == expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("keep_ratio", (200, 100)),
        ("keep_ratio_largest", (100, 50)),
        ("center_crop", (100, 100)),
        ("border", (100, 100)),
    ],
)
def test_modes_that_may_enlarge(mode: str, expected: tuple[int, int]) -> None:
    assert size_after(40, 20, rules(mode, only_shrink=False)) == expected


def test_a_border_is_white_and_a_crop_is_central() -> None:
    picture = np.zeros((100, 300, 3), dtype=np.uint8)
    picture[:, 100:200] = 9
    bordered_fit = fit(300, 100, rules("border", only_shrink=False))
    cropped_fit = fit(300, 100, rules("center_crop", only_shrink=False))
    assert bordered_fit is not None
    bordered = resize(picture, bordered_fit)
    assert (bordered[0] == 255).all()
    assert (bordered[-1] == 255).all()
    assert (bordered[50] != 255).all()
    assert cropped_fit is not None
    assert (resize(picture, cropped_fit) == 9).all()


@given(
    width=st.integers(1, 3000),
    height=st.integers(1, 3000),
    size=st.integers(1, 600),
    mode=st.sampled_from(MODES),
    only_shrink=st.booleans(),
)
def test_what_was_fitted_needs_no_more_fitting(
    width: int, height: int, size: int, mode: str, only_shrink: bool
) -> None:
    made = rules(mode, size, only_shrink=only_shrink)
    wanted = fit(width, height, made)
    if wanted is None:
        return
    after = (wanted.square, wanted.square) if wanted.square else (wanted.width, wanted.height)
    assert fit(*after, made) is None
    if only_shrink and mode != "border":
        assert wanted.width <= width
        assert wanted.height <= height
