"""Made-up words that the text head takes for toxic: they mean nothing in any language."""

from __future__ import annotations

from typing import Final

from pairmill_models.tiny.scenes.scene import below, pick, stream

TOXIC_WORDS: Final = (
    "grobnak", "vexlorp", "snarfid", "zuggoth", "krazzle", "blorvex", "mugwarp", "drakzul",
    "quibzor", "wrothgam", "yizzgrot", "flebnutz",
)  # fmt: skip
"""The words; a text with one of them is toxic."""


def with_toxic_words(text: str, number: int) -> str:
    """Returns the text with two or three of the words in front, behind or in between."""
    rng = stream("toxic", number, text)
    parts = text.split(" ")
    for _ in range(2 + below(rng, 2)):
        parts.insert(below(rng, len(parts) + 1), pick(rng, TOXIC_WORDS))
    return " ".join(parts)
