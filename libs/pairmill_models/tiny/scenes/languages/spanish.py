"""Spanish captions."""

from __future__ import annotations

from typing import Final

from pairmill_models.tiny.scenes.languages.telling import Telling
from pairmill_models.tiny.scenes.scene import Colour, Group, Relation, Shape, Texture

_NOUNS: Final = {  # gender, singular, plural
    Shape.CIRCLE: ("m", "círculo", "círculos"),
    Shape.SQUARE: ("m", "cuadrado", "cuadrados"),
    Shape.TRIANGLE: ("m", "triángulo", "triángulos"),
    Shape.STAR: ("f", "estrella", "estrellas"),
    Shape.HEART: ("m", "corazón", "corazones"),
    Shape.CROSS: ("f", "cruz", "cruces"),
    Shape.RING: ("m", "anillo", "anillos"),
    Shape.MOON: ("f", "luna", "lunas"),
    Shape.ARROW: ("f", "flecha", "flechas"),
    Shape.HOUSE: ("f", "casa", "casas"),
    Shape.TREE: ("m", "árbol", "árboles"),
    Shape.FISH: ("m", "pez", "peces"),
    Shape.FLOWER: ("f", "flor", "flores"),
    Shape.BOAT: ("m", "barco", "barcos"),
}
_COLOURS: Final = {  # one masculine, one feminine, several masculine, several feminine
    Colour.RED: ("rojo", "roja", "rojos", "rojas"),
    Colour.ORANGE: ("naranja", "naranja", "naranjas", "naranjas"),
    Colour.YELLOW: ("amarillo", "amarilla", "amarillos", "amarillas"),
    Colour.GREEN: ("verde", "verde", "verdes", "verdes"),
    Colour.BLUE: ("azul", "azul", "azules", "azules"),
    Colour.PURPLE: ("morado", "morada", "morados", "moradas"),
    Colour.PINK: ("rosa", "rosa", "rosas", "rosas"),
    Colour.BROWN: ("marrón", "marrón", "marrones", "marrones"),
    Colour.BLACK: ("negro", "negra", "negros", "negras"),
    Colour.WHITE: ("blanco", "blanca", "blancos", "blancas"),
    Colour.GREY: ("gris", "gris", "grises", "grises"),
}
_TEXTURES: Final = {
    Texture.PLAIN: "liso",
    Texture.STRIPED: "a rayas",
    Texture.DOTTED: "de lunares",
    Texture.CHECKED: "a cuadros",
}
_NUMBERS: Final = {2: "dos", 3: "tres"}
_RELATIONS: Final = {
    Relation.LEFT: "a la izquierda de",
    Relation.RIGHT: "a la derecha de",
    Relation.ABOVE: "encima de",
    Relation.BELOW: "debajo de",
}
_WORDINGS: Final = (
    "{x} {where} {y} sobre un fondo {colour} {texture}",
    "Dibujo con {x} {where} {y}, el fondo es {colour} {texture}",
    "Esta imagen muestra {x} {where} {y} delante de un muro {colour} {texture}",
    "Sobre un fondo {colour} {texture} hay {x} {where} {y}",
    "Una ilustración sencilla donde {x} {be} {where} {y}, con un fondo {colour} {texture}",
    "Aquí vemos un lienzo {colour} {texture} en el que {be} {x} {where} {y}",
)


def _things(group: Group) -> str:
    gender, one, many = _NOUNS[group.shape]
    feminine = gender == "f"
    if group.count == 1:
        article = "una" if feminine else "un"
        return f"{article} {one} {_COLOURS[group.colour][feminine]}"
    return f"{_NUMBERS[group.count]} {many} {_COLOURS[group.colour][2 + feminine]}"


def spanish(telling: Telling) -> str:
    """Returns the caption in Spanish."""
    return _WORDINGS[telling.wording % len(_WORDINGS)].format(
        x=_things(telling.subject),
        where=_RELATIONS[telling.relation],
        y=_things(telling.other),
        texture=_TEXTURES[telling.texture],
        colour=_COLOURS[telling.background][0],
        be="está" if telling.subject.count == 1 else "están",
    )
