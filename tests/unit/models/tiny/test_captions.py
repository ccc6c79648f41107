"""Captions say what a scene holds, in good grammar, and are taken for the language they are in."""

from __future__ import annotations

from collections import Counter
from random import Random

import pycld2
import pytest

from pairmill_models.tiny.scenes import LANGUAGES, TOXIC_WORDS, WORDINGS, ScenePainter, caption_of, scene_of
from pairmill_models.tiny.scenes.scene import Colour, Group, Scene, Shape, Texture
from pairmill_models.tiny.wild import wild_caption

SCENE = Scene(
    first=Group(1, Colour.ORANGE, Shape.STAR),
    second=Group(2, Colour.WHITE, Shape.CROSS),
    stacked=False,
    background=Colour.GREEN,
    texture=Texture.DOTTED,
)


@pytest.mark.parametrize(
    ("language", "wording", "text"),
    [
        ("en", 0, "An orange star to the left of two white crosses on a dotted green background"),
        ("en", 6, "Two white crosses to the right of an orange star on a dotted green background"),
        (
            "de",
            0,
            "Ein orangefarbener Stern links von zwei weißen Kreuzen auf gepunktetem grünem Hintergrund",
        ),
        ("de", 8, "Hier stehen zwei weiße Kreuze rechts von einem orangefarbenen Stern vor einer "
                  "gepunkteten grünen Wand"),
        ("fr", 6, "Deux croix blanches à droite d'une étoile orange sur un fond vert à pois"),
        ("es", 3, "Sobre un fondo verde de lunares hay una estrella naranja a la izquierda de dos cruces "
                  "blancas"),
        ("ja", 0, "緑色の水玉模様の背景に、二つの白い十字の左に一つのオレンジ色の星がある絵"),
    ],
)  # fmt: skip
def test_a_scene_is_told_in_words(language: str, wording: int, text: str) -> None:
    assert caption_of(SCENE, language, wording) == text


@pytest.mark.parametrize("language", LANGUAGES)
def test_wordings_differ_and_then_repeat(language: str) -> None:
    texts = [caption_of(SCENE, language, wording) for wording in range(WORDINGS)]
    assert len(set(texts)) == WORDINGS
    assert caption_of(SCENE, language, WORDINGS + 3) == texts[3]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_attribute_changes_the_caption(language: str) -> None:
    captions: dict[str, set[Scene]] = {}
    for number in range(3000):
        scene = scene_of(number)
        for wording in (number % WORDINGS, 0):
            captions.setdefault(caption_of(scene, language, wording), set()).add(scene)
    assert all(len(scenes) == 1 for scenes in captions.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_detector_agrees(language: str) -> None:
    detected = Counter(
        pycld2.detect(caption_of(scene_of(number), language, number), bestEffort=True)[2][0][1]
        for number in range(300)
    )
    assert detected[language] >= 285


def test_unknown_languages_are_refused() -> None:
    with pytest.raises(KeyError):
        caption_of(SCENE, "xx", 0)


def test_toxic_captions_hold_two_or_three_of_the_words_and_all_of_the_caption() -> None:
    painter = ScenePainter()
    for number in range(100):
        clean = painter.caption(number, LANGUAGES[number % len(LANGUAGES)], number)
        words = painter.toxic(clean, number).split(" ")
        assert 2 <= sum(word in TOXIC_WORDS for word in words) <= 3
        assert " ".join(word for word in words if word not in TOXIC_WORDS) == clean


def test_captions_alone_are_never_toxic() -> None:
    for language in LANGUAGES:
        for number in range(200):
            caption = caption_of(scene_of(number), language, number).lower()
            assert not any(word in caption for word in TOXIC_WORDS)


def test_wild_captions_still_tell_the_scene() -> None:
    told = 0
    for number in range(300):
        scene = scene_of(number)
        text, toxic = wild_caption(scene, Random(number))
        assert toxic == any(word in text for word in TOXIC_WORDS)
        known = {
            caption_of(scene, language, wording) for language in LANGUAGES for wording in range(WORDINGS)
        }
        told += any(caption in text for caption in known)
    assert told > 150  # the others have a word put in between
