"""Small pictures for the report, made in a child process: stored bytes may be foreign ones (U13)."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

CHILD: Final = "pairmill_gateway.report.thumbnail_child"
MAX_IMAGE_BYTES: Final = 4 * 2**20
_DEADLINE_SECONDS: Final = 60.0
_MAX_DEATHS: Final = 5


def make_thumbnails(images: Sequence[bytes | None], module: str = CHILD) -> list[bytes | None]:
    """Returns a small JPEG for each image, None where there is none or it cannot be decoded.

    An image that a child dies over has no thumbnail, and a fresh child goes on behind it.
    """
    wanted = [
        place for place, image in enumerate(images) if image is not None and len(image) <= MAX_IMAGE_BYTES
    ]
    made: list[bytes | None] = [None] * len(images)
    for _ in range(_MAX_DEATHS):
        if not wanted:
            break
        found = _run_child([images[place] or b"" for place in wanted], module)
        for place, thumbnail in zip(wanted, found, strict=False):
            made[place] = thumbnail or None
        wanted = wanted[len(found) + 1 :]  # the one after the last answer is the culprit
    return made


def _run_child(images: Sequence[bytes], module: str) -> list[bytes]:
    """Returns the answers of a child, fewer than images if it died."""
    request = b"".join(struct.pack("<I", len(image)) + image for image in images)
    command = [sys.executable, "-m", module]
    try:
        run = subprocess.run(
            command,
            input=request,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_DEADLINE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return frames(error.stdout or b"")
    return frames(run.stdout)


def frames(data: bytes) -> list[bytes]:
    """Returns the whole frames of a stream: each its length as u32, little endian, then its bytes."""
    found, place = [], 0
    while place + 4 <= len(data):
        (size,) = struct.unpack_from("<I", data, place)
        if place + 4 + size > len(data):
            break
        found.append(data[place + 4 : place + 4 + size])
        place += 4 + size
    return found
