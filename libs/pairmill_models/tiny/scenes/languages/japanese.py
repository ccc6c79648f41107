"""Japanese captions."""

from __future__ import annotations

from typing import Final

from pairmill_models.tiny.scenes.languages.telling import Telling
from pairmill_models.tiny.scenes.scene import Colour, Group, Relation, Shape, Texture

_NOUNS: Final = {
    Shape.CIRCLE: "円",
    Shape.SQUARE: "正方形",
    Shape.TRIANGLE: "三角形",
    Shape.STAR: "星",
    Shape.HEART: "ハート",
    Shape.CROSS: "十字",
    Shape.RING: "リング",
    Shape.MOON: "月",
    Shape.ARROW: "矢印",
    Shape.HOUSE: "家",
    Shape.TREE: "木",
    Shape.FISH: "魚",
    Shape.FLOWER: "花",
    Shape.BOAT: "船",
}
_COLOURS: Final = {
    Colour.RED: "赤い",
    Colour.ORANGE: "オレンジ色の",
    Colour.YELLOW: "黄色い",
    Colour.GREEN: "緑色の",
    Colour.BLUE: "青い",
    Colour.PURPLE: "紫色の",
    Colour.PINK: "ピンク色の",
    Colour.BROWN: "茶色い",
    Colour.BLACK: "黒い",
    Colour.WHITE: "白い",
    Colour.GREY: "灰色の",
}
_TEXTURES: Final = {
    Texture.PLAIN: "無地",
    Texture.STRIPED: "縞模様",
    Texture.DOTTED: "水玉模様",
    Texture.CHECKED: "市松模様",
}
_NUMBERS: Final = {1: "一つ", 2: "二つ", 3: "三つ"}
_RELATIONS: Final = {
    Relation.LEFT: "左",
    Relation.RIGHT: "右",
    Relation.ABOVE: "上",
    Relation.BELOW: "下",
}
_WORDINGS: Final = (
    "{colour}{texture}の背景に、{y}の{where}に{x}がある絵",
    "{y}の{where}にある{x}、背景は{colour}{texture}",
    "この絵では{y}の{where}に{x}が描かれている。背景は{colour}{texture}です",
    "{colour}{texture}の壁の前で、{x}が{y}の{where}に並んでいる",
    "シンプルなイラストです。{x}が{y}の{where}にあり、背景は{colour}{texture}",
    "{colour}{texture}の布の上に見えるのは、{y}の{where}に置かれた{x}",
)


def _things(group: Group) -> str:
    return f"{_NUMBERS[group.count]}の{_COLOURS[group.colour]}{_NOUNS[group.shape]}"


def japanese(telling: Telling) -> str:
    """Returns the caption in Japanese."""
    return _WORDINGS[telling.wording % len(_WORDINGS)].format(
        x=_things(telling.subject),
        where=_RELATIONS[telling.relation],
        y=_things(telling.other),
        texture=_TEXTURES[telling.texture],
        colour=_COLOURS[telling.background],
    )
