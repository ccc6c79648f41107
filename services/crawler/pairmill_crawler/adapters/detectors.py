"""Language detectors by name."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Final

import pycld2

from pairmill.errors import ConfigurationError
from pairmill_crawler.ports import Guess, LanguageDetector

UNDETERMINED: Final = Guess("un", 0.0)

_UNRELIABLE: Final = 0.5
_NOT_FOR_INTERCHANGE: Final = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")


class NoDetector:
    """Guesses nothing."""

    name: str = "none"

    def detect(self, text: str) -> Guess:
        """Returns no guess."""
        del text
        return UNDETERMINED


class Cld2Detector:
    """Compact Language Detector 2.

    Confidence is the share of the text that is in the language, halved where the detector itself calls
    its answer unreliable.
    """

    def __init__(self) -> None:
        self.name = f"cld2 {version('pycld2')}"

    def detect(self, text: str) -> Guess:
        """Returns the guess for a text."""
        try:
            reliable, _, details = pycld2.detect(text, isPlainText=True, bestEffort=True)
        except (pycld2.error, UnicodeEncodeError):
            return self._detect_cleaned(text)
        _, code, percent, _ = details[0]
        return Guess(code, percent / 100 if reliable else percent / 100 * _UNRELIABLE)

    def _detect_cleaned(self, text: str) -> Guess:
        """Tries again without what the detector refuses."""
        cleaned = _NOT_FOR_INTERCHANGE.sub(" ", text.encode("utf-8", "replace").decode())
        return self.detect(cleaned) if cleaned != text else UNDETERMINED


def detector_named(name: str) -> LanguageDetector:
    """Returns the detector of a name; raises ConfigurationError for an unknown one."""
    match name:
        case "cld2":
            return Cld2Detector()
        case "none":
            return NoDetector()
        case _:
            raise ConfigurationError(
                f"crawl_rules.language_detector: there is no detector {name!r}; choose cld2 or none"
            )
