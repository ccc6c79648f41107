"""Which language a text is in, by a detector's guess and the job's thresholds."""

from __future__ import annotations

from typing import Final, NamedTuple

from pairmill_crawler.ports import Guess
from pairmill_crawler.rules import Rules

_SYNONYMS: Final = {"iw": "he", "in": "id", "jw": "jv", "ji": "yi", "mo": "ro", "nb": "no", "sh": "sr"}
_CODE_LETTERS: Final = 2
_UNDETERMINED: Final = frozenset({"un", "xx"})


class Language(NamedTuple):
    """What is written of a text's language."""

    code: str | None  # ISO 639-1
    confidence: float | None  # of the code, or of the guess that was too weak


def judge(guess: Guess, rules: Rules) -> Language:
    """Returns the guess as a language, without code where it is too weak or has none in ISO 639-1."""
    code = iso_639_1(guess.code)
    if code is None:
        return Language(None, guess.confidence)
    threshold = rules.min_confidence_by_language.get(code, rules.min_confidence)
    return Language(code if guess.confidence >= threshold else None, guess.confidence)


def iso_639_1(code: str) -> str | None:
    """Returns the two-letter code of a detector's code such as `zh-Hant` or `iw`; None if there is none."""
    head = code.partition("-")[0].lower()
    if len(head) != _CODE_LETTERS or head in _UNDETERMINED:
        return None
    return _SYNONYMS.get(head, head)
