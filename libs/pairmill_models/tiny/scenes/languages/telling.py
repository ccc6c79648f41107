"""A scene told from one side in one wording: what every language makes a sentence of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pairmill_models.tiny.scenes.scene import Colour, Group, Relation, Scene, Texture

SENTENCES: Final = 6
"""Sentences per language; each is told from both sides."""


@dataclass(frozen=True, slots=True)
class Telling:
    """`subject` is `relation` of `other`."""

    subject: Group
    relation: Relation
    other: Group
    background: Colour
    texture: Texture
    wording: int  # 0 to SENTENCES - 1


def telling_of(scene: Scene, wording: int) -> Telling:
    """Returns the scene as told by a wording: 2 * SENTENCES of them differ, then they repeat."""
    side, sentence = divmod(wording % (2 * SENTENCES), SENTENCES)
    subject, other = (scene.second, scene.first) if side else (scene.first, scene.second)
    relation = scene.relation.reverse if side else scene.relation
    return Telling(subject, relation, other, scene.background, scene.texture, sentence)
