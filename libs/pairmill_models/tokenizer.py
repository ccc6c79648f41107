"""From texts to tokens, by a `tokenizer.json` of the library `tokenizers`.

Never raises for a text: lone surrogates become U+FFFD, special tokens that stand in the text are taken as
ordinary characters, and what lies far beyond the context is not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from pairmill.errors import ConfigurationError

Tokens: TypeAlias = npt.NDArray[np.int64]

_CHARACTERS_PER_TOKEN: Final = 64
"""A text is cut to this many characters per token of the context: tokens are shorter, so that nothing is
missed, and a text of megabytes costs no more than a long one."""


class TextTokenizer:
    """Tokens of texts, at most `context_length` each, the end token kept. Thread-safe."""

    def __init__(self, path: Path, *, context_length: int, pad_id: int) -> None:
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises plain exceptions
            raise ConfigurationError(f"bundle: {path}: no tokenizer can be read: {error}") from error
        tokenizer.no_padding()
        tokenizer.enable_truncation(context_length)  # leaves room for begin and end
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        self._context_length = context_length
        self._pad_id = pad_id

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns the tokens of each text, begin and end included."""
        return [self._encode(text) for text in texts]

    def pad(self, rows: Sequence[Sequence[int]], length: int | None = None) -> Tokens:
        """Returns (n, length) tokens, filled up to the longest row or to `length`."""
        width = max((len(row) for row in rows), default=0) if length is None else length
        filled = np.full((len(rows), width), self._pad_id, dtype=np.int64)
        for place, row in enumerate(rows):
            filled[place, : len(row)] = row
        return filled

    def _encode(self, text: str) -> list[int]:
        near = text[: self._context_length * _CHARACTERS_PER_TOKEN]
        ids: list[int] = self._tokenizer.encode(_without_surrogates(near)).ids
        return ids


def _without_surrogates(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
