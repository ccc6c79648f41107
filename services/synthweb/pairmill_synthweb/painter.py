"""Who draws: the port between the planned world and the library of scenes."""

from __future__ import annotations

import hashlib
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]


class Painter(Protocol):
    """Draws scenes and names what they show. Pure: equal arguments give equal results."""

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1 codes that captions exist in."""
        ...

    def caption(self, scene: int, language: str, wording: int) -> str:
        """Returns what scene number `scene` shows; different wordings may give different captions."""
        ...

    def toxic(self, text: str, scene: int) -> str:
        """Returns a caption with words that the text head takes for toxic."""
        ...

    def paint(
        self, scene: int, look: int, *, width: int, height: int, unsafe: bool, watermark: bool
    ) -> Pixels:
        """Returns (height, width, 3) uint8 RGB. `look` changes what the caption does not name."""
        ...


def mixed(*parts: int | str) -> int:
    """Returns a number 0..2**63-1 that depends on all parts and on nothing else."""
    data = "/".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big") >> 1
