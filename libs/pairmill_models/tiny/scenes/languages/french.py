"""French captions."""

from __future__ import annotations

from typing import Final

from pairmill_models.tiny.scenes.languages.telling import Telling
from pairmill_models.tiny.scenes.scene import Colour, Group, Relation, Shape, Texture

_NOUNS: Final = {  # gender, singular, plural
    Shape.CIRCLE: ("m", "cercle", "cercles"),
    Shape.SQUARE: ("m", "carré", "carrés"),
    Shape.TRIANGLE: ("m", "triangle", "triangles"),
    Shape.STAR: ("f", "étoile", "étoiles"),
    Shape.HEART: ("m", "cœur", "cœurs"),
    Shape.CROSS: ("f", "croix", "croix"),
    Shape.RING: ("m", "anneau", "anneaux"),
    Shape.MOON: ("f", "lune", "lunes"),
    Shape.ARROW: ("f", "flèche", "flèches"),
    Shape.HOUSE: ("f", "maison", "maisons"),
    Shape.TREE: ("m", "arbre", "arbres"),
    Shape.FISH: ("m", "poisson", "poissons"),
    Shape.FLOWER: ("f", "fleur", "fleurs"),
    Shape.BOAT: ("m", "bateau", "bateaux"),
}
_COLOURS: Final = {  # one masculine, one feminine, several masculine, several feminine
    Colour.RED: ("rouge", "rouge", "rouges", "rouges"),
    Colour.ORANGE: ("orange", "orange", "orange", "orange"),
    Colour.YELLOW: ("jaune", "jaune", "jaunes", "jaunes"),
    Colour.GREEN: ("vert", "verte", "verts", "vertes"),
    Colour.BLUE: ("bleu", "bleue", "bleus", "bleues"),
    Colour.PURPLE: ("violet", "violette", "violets", "violettes"),
    Colour.PINK: ("rose", "rose", "roses", "roses"),
    Colour.BROWN: ("marron", "marron", "marron", "marron"),
    Colour.BLACK: ("noir", "noire", "noirs", "noires"),
    Colour.WHITE: ("blanc", "blanche", "blancs", "blanches"),
    Colour.GREY: ("gris", "grise", "gris", "grises"),
}
_TEXTURES: Final = {
    Texture.PLAIN: "uni",
    Texture.STRIPED: "rayé",
    Texture.DOTTED: "à pois",
    Texture.CHECKED: "à carreaux",
}
_NUMBERS: Final = {2: "deux", 3: "trois"}
_RELATIONS: Final = {
    Relation.LEFT: "à gauche",
    Relation.RIGHT: "à droite",
    Relation.ABOVE: "au-dessus",
    Relation.BELOW: "en dessous",
}
_WORDINGS: Final = (
    "{x} {where} {y} sur un fond {colour} {texture}",
    "Dessin avec {x} {where} {y}, le fond est {colour} et {texture}",
    "Cette image montre {x} {where} {y} devant un mur {colour} {texture}",
    "Sur un fond {colour} {texture}, on voit {x} {where} {y}",
    "Une illustration simple où {x} {be} {where} {y}, avec un fond {colour} {texture}",
    "Voici un tableau {colour} {texture} sur lequel {be} {x} {where} {y}",
)


def _things(group: Group) -> str:
    gender, one, many = _NOUNS[group.shape]
    feminine = gender == "f"
    if group.count == 1:
        article = "une" if feminine else "un"
        return f"{article} {one} {_COLOURS[group.colour][feminine]}"
    return f"{_NUMBERS[group.count]} {many} {_COLOURS[group.colour][2 + feminine]}"


def _of(things: str) -> str:
    return f"d'{things}" if things.startswith("u") else f"de {things}"


def french(telling: Telling) -> str:
    """Returns the caption in French."""
    return _WORDINGS[telling.wording % len(_WORDINGS)].format(
        x=_things(telling.subject),
        where=_RELATIONS[telling.relation],
        y=_of(_things(telling.other)),
        texture=_TEXTURES[telling.texture],
        colour=_COLOURS[telling.background][0],
        be="est" if telling.subject.count == 1 else "sont",
    )
