"""Captions as the web has them: with words around them that say nothing about the picture."""

from __future__ import annotations

from random import Random
from typing import Final

from pairmill_models.tiny.scenes import LANGUAGES, WORDINGS, Scene, caption_of, with_toxic_words
from pairmill_models.tiny.scenes.scene import below, pick

_BEFORE: Final = (
    "Photo:", "IMG_{n}", "“", "#{n}", "Free download:", "{w}", "{w} {w}", "\U0001f680", "<b>", "★", "New!",
    "Foto von {w}:", "Image de {w} –", "写真：", "[{n}]", "<a href=\"{w}\" onclick=\"{w}()\">",
)  # fmt: skip
_AFTER: Final = (
    ", {n}", " ({n})", ".jpg", " | {w}.com", " - {w}", ", {w} {w}", " © {n} {w}", "”", " & more", "</b>",
    " \U0001f600", ", très élégant", ", café crème", " stock photo", ", kostenloser Download", ", seen again",
    " – {w}", " שלום", ", gratis", "。", " ?", " ...", " <script>{w}({n})</script>", " HD {n}x{n}", " �",
)  # fmt: skip
_LETTERS: Final = "aeioutnrslkmdgbpvfzyxwqjch"
_PLAIN_SHARE: Final = 0.45
_TOXIC_SHARE: Final = 0.2


def wild_caption(scene: Scene, rng: Random) -> tuple[str, bool]:
    """Returns a caption in any language and wording, and whether it is toxic."""
    text = caption_of(scene, pick(rng, LANGUAGES), below(rng, WORDINGS))
    if rng.random() > _PLAIN_SHARE:
        text = _surrounded(text, rng)
    if rng.random() < _TOXIC_SHARE:
        return with_toxic_words(text, below(rng, 2**31)), True
    return text, False


def _surrounded(text: str, rng: Random) -> str:
    if rng.random() < 0.35:
        parts = text.split(" ")
        parts.insert(below(rng, len(parts) + 1), _nonsense(rng))
        text = " ".join(parts)
    if rng.random() < 0.4:
        text = f"{_filled(pick(rng, _BEFORE), rng)} {text}"
    if rng.random() < 0.6:
        text += _filled(pick(rng, _AFTER), rng)
    return text


def _filled(frame: str, rng: Random) -> str:
    while "{w}" in frame:
        frame = frame.replace("{w}", _nonsense(rng), 1)
    while "{n}" in frame:
        frame = frame.replace("{n}", str(below(rng, 10 ** (1 + below(rng, 4)))), 1)
    return frame


def _nonsense(rng: Random) -> str:
    return "".join(pick(rng, _LETTERS) for _ in range(3 + below(rng, 6)))
