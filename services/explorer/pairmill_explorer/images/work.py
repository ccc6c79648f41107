"""What child processes do with image bytes: pixels for a model, or a smaller JPEG."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from PIL import Image

from pairmill_models.bundle import Resize
from pairmill_models.decoding import ImageError, decode_rgb
from pairmill_models.embedder import Pixels
from pairmill_models.preprocessing import fit_square

_QUALITY: Final = 82


@dataclass(frozen=True, slots=True, kw_only=True)
class ToSquare:
    """Bytes to be made the input of an image tower."""

    data: bytes
    size: int
    resize: Resize


@dataclass(frozen=True, slots=True, kw_only=True)
class ToThumbnail:
    """Bytes to be made a JPEG of at most `side` pixels a side; never larger than they were."""

    data: bytes
    side: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Bytes that give no picture."""

    why: str


Item: TypeAlias = ToSquare | ToThumbnail
Answer: TypeAlias = Pixels | bytes | Refused


def image_work() -> Callable[[Item], Answer]:
    """Prepares a child process and returns the function that works there."""
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)  # where decoding libraries complain about every damaged file
    os.close(silence)
    return work_on


def work_on(item: Item) -> Answer:
    """Returns what was asked for, or why there is none."""
    try:
        picture = decode_rgb(item.data)
    except ImageError as error:
        return Refused(str(error)[:200])
    match item:
        case ToSquare():
            return fit_square(picture, item.size, item.resize)
        case ToThumbnail():
            return _thumbnail(picture, item.side)


def _thumbnail(picture: Pixels, side: int) -> bytes:
    image = Image.fromarray(picture)
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    sink = io.BytesIO()
    image.save(sink, "JPEG", quality=_QUALITY)
    return sink.getvalue()
