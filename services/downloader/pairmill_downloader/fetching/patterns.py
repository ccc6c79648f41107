"""Path patterns of robots.txt and tdmrep.json: prefixes in which `*` is anything and a last `$` the end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_ESCAPE: Final = re.compile(r"%[0-9a-fA-F]{2}")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern in normal form: non-ASCII escaped, escapes in upper case."""

    text: str

    @classmethod
    def of(cls, raw: str) -> Pattern:
        """Returns the pattern as it stands in a file."""
        return cls(normal(raw))

    def matches(self, path: str) -> bool:
        """Whether the pattern covers a path with query in normal form; takes linear time in both."""
        text = self.text
        if "*" not in text and not text.endswith("$"):
            return path.startswith(text)
        ends = text.endswith("$")
        first, *rest = (text[:-1] if ends else text).split("*")
        if not path.startswith(first):
            return False
        if not rest:
            return len(path) == len(first)
        return _contains(path, len(first), rest, ends)


def _contains(path: str, position: int, pieces: list[str], ends: bool) -> bool:
    for piece in pieces[:-1] if ends else pieces:
        found = path.find(piece, position)
        if found < 0:
            return False
        position = found + len(piece)
    return not ends or (len(path) - len(pieces[-1]) >= position and path.endswith(pieces[-1]))


def normal(path: str) -> str:
    """Returns a path or pattern with non-ASCII characters escaped and all escapes in upper case."""
    if not path.isascii():
        path = "".join(
            char if char.isascii() else "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "replace"))
            for char in path
        )
    return upper_escapes(path)


def upper_escapes(path: str) -> str:
    """Returns a serialised path, which is ASCII, with all escapes in upper case: its normal form."""
    return _ESCAPE.sub(lambda found: found.group().upper(), path) if "%" in path else path


def unescaped(path: str) -> str:
    """Returns a path in normal form with needless escapes undone: `%7E` and `~` are the same path."""
    return _ESCAPE.sub(_without_need, path) if "%" in path else path


def _without_need(found: re.Match[str]) -> str:
    char = chr(int(found.group()[1:], 16))
    return char if char in _UNRESERVED else found.group()
