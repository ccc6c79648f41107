"""What the embed unit needs from outside: a model and something that decodes images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pairmill_inference.pairs import DecodedBlock, StoredPair


class Decoder(Protocol):
    """Turns stored bytes into the model's input. Thread-safe."""

    def decode(self, block: Sequence[StoredPair]) -> DecodedBlock:
        """Returns the pairs whose image could be decoded, in their order, and failures of the others."""
        ...

    def close(self) -> None:
        """Ends whatever it started."""
        ...
