"""What the containers of image formats say of their own length: does the file end early?"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from pairmill_downloader.images.optouts import png_chunks

_PNG_HEAD: Final = 8
_PNG_NEEDED: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"sBIT"})
_MAX_BOXES: Final = 256
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by PNG colour type
_ADAM7: Final = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
_INFLATED: Final = 1 << 20


def is_cut_by_container(data: bytes, name: str) -> bool:
    """Returns whether the outermost structure promises more bytes than there are.

    For formats whose decoders may make a picture of what is left.
    """
    match name:
        case "webp":
            return int.from_bytes(data[4:8], "little") + 8 > len(data) + 1
        case "avif":
            return _boxes_run_out(data)
        case "bmp":
            return _bmp_runs_out(data)
        case _:
            return False


def looks_cut(data: bytes, name: str) -> bool:
    """Returns whether bytes that could not be decoded lack their format's end."""
    match name:
        case "jpeg":
            return b"\xff\xd9" not in data[-1024:]
        case "png":
            return not any(kind == b"IEND" for kind, _ in png_chunks(data))
        case "gif":
            return not data.rstrip(b"\0").endswith(b";")
        case "tiff":
            return _tiff_directory_is_outside(data)
        case _:
            return is_cut_by_container(data, name)


def png_lacks_pixels(data: bytes) -> bool:
    """Returns whether a PNG's stream ends well, but before all pixels; its decoder leaves them black."""
    chunks = list(png_chunks(data))
    heads = [content for kind, content in chunks if kind == b"IHDR" and len(content) == 13]
    if not heads:
        return False
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", heads[0])
    missing = _png_bytes(width, height, depth * _CHANNELS.get(colour, 1), interlaced=bool(interlaced))
    inflater = zlib.decompressobj()
    try:
        for kind, content in chunks:
            held = content if kind == b"IDAT" else b""
            while held and missing > 0 and not inflater.eof:
                missing -= len(inflater.decompress(held, _INFLATED))
                held = inflater.unconsumed_tail
    except zlib.error:
        return False  # the decoder has judged the stream itself
    return missing > 0


def _png_bytes(width: int, height: int, bits: int, *, interlaced: bool) -> int:
    """Returns the number of bytes that the pixels of a PNG inflate to."""
    total = 0
    for left, top, right, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-max(0, width - left) // right), -(-max(0, height - top) // down)
        total += rows * (1 + (columns * bits + 7) // 8) if columns else 0
    return total


def png_without_metadata(data: bytes) -> bytes:
    """Returns a PNG with nothing but what its pixels need."""
    kept = [data[:_PNG_HEAD]]
    place = _PNG_HEAD
    for kind, content in png_chunks(data):
        end = place + 12 + len(content)
        if kind in _PNG_NEEDED:
            kept.append(data[place:end])
        place = end
    kept.append(data[place:])
    return b"".join(kept)


def _boxes_run_out(data: bytes) -> bool:
    place = 0
    for _ in range(_MAX_BOXES):
        if place + 8 > len(data):
            return place > len(data) or not place
        size, kind = struct.unpack_from(">I4s", data, place)
        if size == 1 and place + 16 <= len(data):
            size = int.from_bytes(data[place + 8 : place + 16], "big")
        if size == 0:
            return False
        if size < 8 or not kind.isascii():
            return False
        place += size
    return False


def _bmp_runs_out(data: bytes) -> bool:
    """Of bitmaps without compression, whose size follows from their header."""
    if len(data) < 54 or int.from_bytes(data[14:18], "little") < 40:
        return False
    start = int.from_bytes(data[10:14], "little")
    width, height, _, depth, compression = struct.unpack_from("<iiHHI", data, 18)
    if compression != 0 or width <= 0:
        return False
    row = (width * depth + 31) // 32 * 4
    return start + int(row) * abs(int(height)) > len(data) + 3


def _tiff_directory_is_outside(data: bytes) -> bool:
    if len(data) < 8:
        return True
    (place,) = struct.unpack_from("<I" if data[:2] == b"II" else ">I", data, 4)
    return int(place) + 2 > len(data)
