"""What is learnt from and what is examined on."""

from __future__ import annotations

import numpy as np
import pytest

from pairmill_models.tiny.examples import (
    ATTRIBUTE_SIZES,
    IMAGE_SIZE,
    attributes_of,
    held_out_examples,
    is_held_out,
    training_examples,
)
from pairmill_models.tiny.measures import auc, correlation, top1
from pairmill_models.tiny.scenes import scene_of


def test_training_never_sees_a_scene_of_the_examination() -> None:
    training = list(training_examples(3, 40, processes=1))
    examination = held_out_examples(3, 20, marked=True)
    assert not any(is_held_out(example.scene) for example in training)
    assert all(is_held_out(example.scene) for example in examination)


def test_training_pictures_come_in_pairs_that_differ_a_little() -> None:
    training = list(training_examples(3, 40, processes=1))
    assert len(training) == 80
    for one, other in zip(training[::2], training[1::2], strict=True):
        mine, theirs = attributes_of(one.scene), attributes_of(other.scene)
        assert 1 <= sum(a != b for a, b in zip(mine, theirs, strict=True)) <= 6
        assert one.pixels.shape == (IMAGE_SIZE, IMAGE_SIZE, 3)


def test_examples_repeat() -> None:
    one, other = (held_out_examples(5, 6, marked=True) for _ in range(2))
    assert all(
        np.array_equal(a.pixels, b.pixels) and a.scene == b.scene for a, b in zip(one, other, strict=True)
    )


def test_about_a_tenth_is_held_out() -> None:
    assert 250 < sum(is_held_out(scene_of(number)) for number in range(3000)) < 350


def test_attributes_tell_scenes_apart_and_fit_their_sizes() -> None:
    scenes = [scene_of(number) for number in range(1000)]
    rows = [attributes_of(scene) for scene in scenes]
    assert len(set(rows)) == len(set(scenes))
    assert all(0 <= value < size for row in rows for value, size in zip(row, ATTRIBUTE_SIZES, strict=True))


def test_top1_counts_the_nearest_within_each_group() -> None:
    images = np.eye(4, dtype=np.float32)
    texts = images[[0, 1, 3, 2]]
    assert top1(images, images, choices=2) == 1.0
    assert top1(texts, images, choices=4) == 0.5
    assert top1(texts, images, choices=2) == 0.5
    with pytest.raises(ValueError, match="fewer"):
        top1(images, images, choices=5)


def test_auc_is_the_chance_of_ranking_a_true_row_higher() -> None:
    truth = np.array([True, False, True, False])
    assert auc(np.array([4, 1, 3, 2], np.float32), truth) == 1.0
    assert auc(np.array([1, 4, 2, 3], np.float32), truth) == 0.0
    assert auc(np.array([1, 1, 1, 1], np.float32), truth) == 0.5
    assert auc(np.array([3, 2, 1, 1], np.float32), truth) == 0.625
    with pytest.raises(ValueError, match="both kinds"):
        auc(np.array([1], np.float32), np.array([True]))


def test_correlation_is_one_for_a_line() -> None:
    values = np.arange(5, dtype=np.float32)
    assert correlation(values, 2 * values + 1) == pytest.approx(1)
    assert correlation(values, -values) == pytest.approx(-1)
