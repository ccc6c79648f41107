"""The three buckets that samples are split into by language, as LAION-5B is."""

from __future__ import annotations

from typing import Final, Literal

LanguageBucket = Literal["en", "multi", "nolang"]

LANGUAGE_BUCKETS: Final[tuple[LanguageBucket, ...]] = ("en", "multi", "nolang")
"""English, any other language, and none that could be told."""


def language_bucket(language: str | None) -> LanguageBucket:
    """Returns the bucket of a language (ISO 639), which is the folder of `data/` that it belongs to."""
    if not language:
        return "nolang"
    return "en" if language == "en" else "multi"
