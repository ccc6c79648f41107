"""Scenes are the same everywhere and forever: the demo's truth and the committed model hang on them."""

from __future__ import annotations

from itertools import product

import pytest

from pairmill_models.tiny.scenes import SCENES, scene_of
from pairmill_models.tiny.scenes.layout import places_of
from pairmill_models.tiny.scenes.scene import Colour, Group, Relation, Scene, Shape, Texture, stream


def test_there_are_millions_of_scenes() -> None:
    groups = [
        (first, second)
        for first, second in product(product(Shape, Colour), repeat=2)
        if first[0] != second[0] and first[1] != second[1]
    ]
    grounds = (len(Colour) - 2) * len(Texture)
    assert SCENES == len(groups) * 3 * 3 * 2 * grounds > 10_000_000


def test_a_number_always_names_the_same_scene() -> None:
    assert scene_of(12) == Scene(
        first=Group(1, Colour.BLACK, Shape.BOAT),
        second=Group(2, Colour.YELLOW, Shape.MOON),
        stacked=False,
        background=Colour.GREY,
        texture=Texture.STRIPED,
    )


@pytest.mark.parametrize("number", [0, -1, 2**63 - 1, 10**30])
def test_any_integer_names_a_scene(number: int) -> None:
    assert scene_of(number) == scene_of(number)


def test_groups_and_background_never_share_what_tells_them_apart() -> None:
    for number in range(2000):
        scene = scene_of(number)
        assert scene.first.shape != scene.second.shape
        assert len({scene.first.colour, scene.second.colour, scene.background}) == 3


def test_different_numbers_rarely_name_equal_scenes() -> None:
    assert len({scene_of(number) for number in range(3000)}) >= 2998


@pytest.mark.parametrize("relation", Relation)
def test_a_relation_told_twice_from_the_other_side_is_itself(relation: Relation) -> None:
    assert relation.reverse != relation
    assert relation.reverse.reverse == relation


def test_things_stay_inside_the_central_square_and_apart() -> None:
    for number in range(400):
        placed = [place for _, place in places_of(scene_of(number), stream("layout", number))]
        for place in placed:
            assert place.radius <= min(place.x, place.y, 1 - place.x, 1 - place.y)
        for index, one in enumerate(placed):
            for other in placed[index + 1 :]:
                apart = max(abs(one.x - other.x), abs(one.y - other.y))
                assert apart > one.radius + other.radius - 1e-9


def test_the_first_group_is_where_the_relation_says() -> None:
    for number in range(400):
        scene = scene_of(number)
        placed = places_of(scene, stream("layout", number))
        first = [place.y if scene.stacked else place.x for group, place in placed if group == scene.first]
        second = [place.y if scene.stacked else place.x for group, place in placed if group == scene.second]
        assert (len(first), len(second)) == (scene.first.count, scene.second.count)
        assert max(first) < min(second)
