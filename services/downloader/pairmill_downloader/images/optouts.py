"""Notices inside a file that forbid its use for training.

Two are known: the IPTC/PLUS property *Data Mining* in XMP, and the C2PA or CAWG assertion *training and
data mining* in a JUMBF box. A notice forbids if it says "prohibited", "not allowed" or "constrained", for
data mining, training or generative training; a notice about inference alone does not. What is not signed
properly is honoured all the same: nobody forges a refusal.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Final

_PLUS: Final = re.compile(rb"DMI-(PROHIBITED(?:-[A-Z]{1,40})?)")
_ASSERTION: Final = b"training-mining"
_USE: Final = re.compile(
    rb"(?:c2pa|cawg)\.(data_mining|ai_training|ai_generative_training)"
    rb".{1,512}?use[\"\s:]{0,8}.{1,3}?(notAllowed|constrained|allowed)",
    re.DOTALL,
)
_APP11: Final = 0xEB
_MAX_TEXT: Final = 2**20


def embedded_opt_out(data: bytes, name: str) -> str | None:
    """Returns what a notice in the file says if it forbids training, or None.

    `name` is the format of the bytes, as `sniff.format_of` tells it.
    """
    found = _PLUS.search(data)
    if found is None and name == "png":
        found = next(filter(None, map(_PLUS.search, _inflated_texts(data))), None)
    if found is not None:
        return f"IPTC data mining: {found.group(1).decode()}"
    manifest = b"".join(_app11_payloads(data)) if name == "jpeg" else data
    start = manifest.find(_ASSERTION)
    if start < 0:
        return None
    for use in _USE.finditer(manifest, start):
        if use.group(2) != b"allowed":
            return f"C2PA {use.group(1).decode()}: {use.group(2).decode()}"
    return None


def _app11_payloads(data: bytes) -> Iterator[bytes]:
    """Yields the parts of the JUMBF boxes of a JPEG, which are cut into segments of at most 64 kB.

    Each segment begins with an identifier, a box number, a packet number and, repeated in every packet,
    the box's length and type.
    """
    place = 2
    while data[place : place + 1] == b"\xff" and place + 4 <= len(data):
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == 0xDA or length < 2:
            return
        payload = data[place + 4 : place + 2 + length]
        if marker == _APP11 and payload[:2] == b"JP":
            is_first = int.from_bytes(payload[4:8], "big") <= 1
            yield payload[8:] if is_first else payload[16:]
        place += 2 + length


def _inflated_texts(data: bytes) -> Iterator[bytes]:
    """Yields the compressed text chunks of a PNG, inflated up to a cap."""
    for kind, content in png_chunks(data):
        rest = content.partition(b"\0")[2]
        if kind == b"zTXt":
            yield _inflated(rest[1:])
        elif kind == b"iTXt" and rest[:1] == b"\1":
            yield _inflated(rest[2:].partition(b"\0")[2].partition(b"\0")[2])


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields (type, content) of the chunks of a PNG as far as they are whole."""
    place = 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        if place + 12 + length > len(data):
            return
        yield data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        place += 12 + length


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _MAX_TEXT)
    except zlib.error:
        return b""
