"""German captions. Colours and textures are stems that take regular endings."""

from __future__ import annotations

from typing import Final

from pairmill_models.tiny.scenes.languages.telling import Telling
from pairmill_models.tiny.scenes.scene import Colour, Group, Relation, Shape, Texture

_NOUNS: Final = {  # gender, singular, plural, plural in the dative
    Shape.CIRCLE: ("m", "Kreis", "Kreise", "Kreisen"),
    Shape.SQUARE: ("n", "Quadrat", "Quadrate", "Quadraten"),
    Shape.TRIANGLE: ("n", "Dreieck", "Dreiecke", "Dreiecken"),
    Shape.STAR: ("m", "Stern", "Sterne", "Sternen"),
    Shape.HEART: ("n", "Herz", "Herzen", "Herzen"),
    Shape.CROSS: ("n", "Kreuz", "Kreuze", "Kreuzen"),
    Shape.RING: ("m", "Ring", "Ringe", "Ringen"),
    Shape.MOON: ("m", "Mond", "Monde", "Monden"),
    Shape.ARROW: ("m", "Pfeil", "Pfeile", "Pfeilen"),
    Shape.HOUSE: ("n", "Haus", "Häuser", "Häusern"),
    Shape.TREE: ("m", "Baum", "Bäume", "Bäumen"),
    Shape.FISH: ("m", "Fisch", "Fische", "Fischen"),
    Shape.FLOWER: ("f", "Blume", "Blumen", "Blumen"),
    Shape.BOAT: ("n", "Boot", "Boote", "Booten"),
}
_COLOURS: Final = {
    Colour.RED: "rot",
    Colour.ORANGE: "orangefarben",
    Colour.YELLOW: "gelb",
    Colour.GREEN: "grün",
    Colour.BLUE: "blau",
    Colour.PURPLE: "violett",
    Colour.PINK: "rosafarben",
    Colour.BROWN: "braun",
    Colour.BLACK: "schwarz",
    Colour.WHITE: "weiß",
    Colour.GREY: "grau",
}
_TEXTURES: Final = {
    Texture.PLAIN: "einfarbig",
    Texture.STRIPED: "gestreift",
    Texture.DOTTED: "gepunktet",
    Texture.CHECKED: "kariert",
}
_NUMBERS: Final = {2: "zwei", 3: "drei"}
_RELATIONS: Final = {
    Relation.LEFT: "links von",
    Relation.RIGHT: "rechts von",
    Relation.ABOVE: "über",
    Relation.BELOW: "unter",
}
_ONE: Final = {"m": ("ein", "er"), "n": ("ein", "es"), "f": ("eine", "e")}
_OF_ONE: Final = {"m": "einem", "n": "einem", "f": "einer"}
_WORDINGS: Final = (
    "{x} {where} {y} auf {texture}em {colour}em Hintergrund",
    "Auf der Zeichnung {be} {x} {where} {y} zu sehen, der Hintergrund ist {texture} und {colour}",
    "Hier {stand} {x} {where} {y} vor einer {texture}en {colour}en Wand",
    "Vor {texture}em {colour}em Hintergrund {be} {x} {where} {y} gezeichnet",
    "Das Bild zeigt, wie {x} {where} {y} {lie}, dahinter eine {texture}e {colour}e Fläche",
    "Eine einfache Grafik mit {texture}em {colour}em Hintergrund, darauf {x} {where} {y}",
)


def _subject(group: Group) -> str:
    gender, one, many, _ = _NOUNS[group.shape]
    colour = _COLOURS[group.colour]
    if group.count == 1:
        article, ending = _ONE[gender]
        return f"{article} {colour}{ending} {one}"
    return f"{_NUMBERS[group.count]} {colour}e {many}"


def _other(group: Group) -> str:
    gender, one, _, many = _NOUNS[group.shape]
    if group.count == 1:
        return f"{_OF_ONE[gender]} {_COLOURS[group.colour]}en {one}"
    return f"{_NUMBERS[group.count]} {_COLOURS[group.colour]}en {many}"


def german(telling: Telling) -> str:
    """Returns the caption in German."""
    single = telling.subject.count == 1
    return _WORDINGS[telling.wording % len(_WORDINGS)].format(
        x=_subject(telling.subject),
        where=_RELATIONS[telling.relation],
        y=_other(telling.other),
        texture=_TEXTURES[telling.texture],
        colour=_COLOURS[telling.background],
        be="ist" if single else "sind",
        stand="steht" if single else "stehen",
        lie="liegt" if single else "liegen",
    )
