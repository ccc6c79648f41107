"""The same scene told in several languages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pairmill_models.tiny.scenes.languages.english import english
from pairmill_models.tiny.scenes.languages.french import french
from pairmill_models.tiny.scenes.languages.german import german
from pairmill_models.tiny.scenes.languages.japanese import japanese
from pairmill_models.tiny.scenes.languages.spanish import spanish
from pairmill_models.tiny.scenes.languages.telling import SENTENCES, Telling, telling_of
from pairmill_models.tiny.scenes.scene import Scene

__all__ = ["LANGUAGES", "WORDINGS", "caption_of"]

WORDINGS: Final = 2 * SENTENCES
"""Different captions that a scene has in one language."""

_TELLERS: Final[dict[str, Callable[[Telling], str]]] = {
    "en": english,
    "de": german,
    "fr": french,
    "es": spanish,
    "ja": japanese,
}

LANGUAGES: Final = tuple(_TELLERS)
"""ISO 639-1 codes that captions exist in."""


def caption_of(scene: Scene, language: str, wording: int) -> str:
    """Returns a caption of the scene; wordings repeat after WORDINGS. KeyError for other languages."""
    text = _TELLERS[language](telling_of(scene, wording))
    return text[0].upper() + text[1:]
