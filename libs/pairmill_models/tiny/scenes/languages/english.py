"""English captions."""

from __future__ import annotations

from typing import Final

from pairmill_models.tiny.scenes.languages.telling import Telling
from pairmill_models.tiny.scenes.scene import Colour, Group, Relation, Shape, Texture

_PLURALS: Final = {Shape.CROSS: "crosses", Shape.FISH: "fish"}
_NUMBERS: Final = {2: "two", 3: "three"}
_RELATIONS: Final = {
    Relation.LEFT: "to the left of",
    Relation.RIGHT: "to the right of",
    Relation.ABOVE: "above",
    Relation.BELOW: "below",
}
_TEXTURES: Final = {
    Texture.PLAIN: "plain",
    Texture.STRIPED: "striped",
    Texture.DOTTED: "dotted",
    Texture.CHECKED: "checked",
}
_WORDINGS: Final = (
    "{x} {where} {y} on a {texture} {colour} background",
    "A drawing of {x} {where} {y}, the background is {texture} and {colour}",
    "This picture shows {x} {where} {y} in front of a {texture} {colour} wall",
    "We see a {texture} {colour} background and on it {x} {where} {y}",
    "Simple illustration with {x} {where} {y} and a {texture} {colour} backdrop",
    "There is a {texture} {colour} canvas behind {x} {where} {y}",
)


def _things(group: Group) -> str:
    colour = str(group.colour)
    if group.count == 1:
        article = "an" if group.colour is Colour.ORANGE else "a"
        return f"{article} {colour} {group.shape}"
    return f"{_NUMBERS[group.count]} {colour} {_PLURALS.get(group.shape, f'{group.shape}s')}"


def english(telling: Telling) -> str:
    """Returns the caption in English."""
    return _WORDINGS[telling.wording % len(_WORDINGS)].format(
        x=_things(telling.subject),
        where=_RELATIONS[telling.relation],
        y=_things(telling.other),
        texture=_TEXTURES[telling.texture],
        colour=str(telling.background),
    )
