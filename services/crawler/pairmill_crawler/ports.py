"""What the crawler needs from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, TypeAlias


class Guess(NamedTuple):
    """A detector's guess."""

    code: str  # its own code of the language, `un` if it has none
    confidence: float  # 0 to 1


class LanguageDetector(Protocol):
    """Guesses languages. Need not be thread-safe: each child process has its own."""

    @property
    def name(self) -> str:
        """Name and version, as written into each row."""
        ...

    def detect(self, text: str) -> Guess:
        """Returns the guess for a text; never raises, whatever the text."""
        ...


Detectors: TypeAlias = Callable[[str], LanguageDetector]
"""Returns the detector of a name, for a job's rules; raises ConfigurationError for an unknown one."""


class SourceMissingError(Exception):
    """The source does not exist or access is refused: it will not help to ask again."""


class Source(Protocol):
    """The bytes of a WAT from some offset on."""

    size: int | None
    """Length of the whole source as declared, None where it is not known (yet)."""

    def chunks(self) -> Iterator[bytes]:
        """Yields the bytes in pieces of some size, once.

        Raises SourceMissingError, and RetriableError while it cannot be had. Where it ends before its
        declared length although it was asked again, it ends without an error.
        """
        ...

    def close(self) -> None:
        """Ends connections and closes files."""
        ...


OpenSource: TypeAlias = Callable[[str, int], Source]
"""Returns a WAT, named by path or http(s) URL, from an offset on."""
