"""Pixels to files: every accepted format, with orientation, metadata and damage as a recipe asks for.

Equal recipes give equal bytes with equal versions of the codecs.
"""

from __future__ import annotations

import io
import struct
import zlib
from random import Random
from typing import Any, Final

from PIL import Image, PngImagePlugin

from pairmill_synthweb.painter import Pixels
from pairmill_synthweb.world import Codec, Damage, Picture

MIME_TYPES: Final = {codec: f"image/{codec}" for codec in Codec}

_ORIENTATION_TAG: Final = 0x0112
_CUT_PERCENT: Final = 60
_GIANT_SIDE: Final = 50_000
_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"

# How pixels are to be stored so that a viewer who obeys the orientation shows them upright.
_UNDO: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}

RESERVATION: Final = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/">'
    b"<plus:DataMining>http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED-AIMLTRAINING</plus:DataMining>"
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
    b'<?xpacket end="w"?>'
)
"""The notice of the PLUS vocabulary that a picture must not be used to train models."""


def encode(picture: Picture, pixels: Pixels) -> bytes:
    """Returns the file of a picture whose upright pixels are given, (h, w, 3) uint8 RGB."""
    match picture.damage:
        case Damage.SCRAMBLED:
            return _scrambled_png(picture)
        case Damage.GIANT:
            return _giant_png(picture)
        case Damage.CUT:
            whole = _whole(picture, pixels)
            return whole[: len(whole) * _CUT_PERCENT // 100]
        case Damage.NONE:
            return _whole(picture, pixels)


def _whole(picture: Picture, pixels: Pixels) -> bytes:
    image = Image.fromarray(pixels)
    if picture.grey:
        image = image.convert("L")
    if picture.orientation in _UNDO:
        image = image.transpose(_UNDO[picture.orientation])
    if picture.codec is Codec.GIF:
        image = image.quantize(256)
    out = io.BytesIO()
    image.save(out, format=picture.codec.upper(), **_options(picture))
    return out.getvalue()


def _options(picture: Picture) -> dict[str, Any]:
    options: dict[str, Any] = {}
    match picture.codec:
        case Codec.JPEG:
            options["quality"] = picture.quality
        case Codec.WEBP:
            options |= {"quality": picture.quality, "method": 2}
        case Codec.AVIF:
            options |= {"quality": picture.quality, "speed": 10, "max_threads": 1}
        case Codec.TIFF:
            options["compression"] = "tiff_lzw"
        case Codec.PNG:
            options["compress_level"] = 3
        case Codec.GIF | Codec.BMP:
            pass
    if picture.orientation != 1:
        exif = Image.Exif()
        exif[_ORIENTATION_TAG] = picture.orientation
        options["exif"] = exif
    if picture.reserved:
        options |= _reservation(picture.codec)
    return options


def _reservation(codec: Codec) -> dict[str, Any]:
    """Options that embed the notice. Raises ValueError for a format that has no agreed place for it."""
    match codec:
        case Codec.JPEG | Codec.WEBP:
            return {"xmp": RESERVATION}
        case Codec.PNG:
            info = PngImagePlugin.PngInfo()
            info.add_itxt("XML:com.adobe.xmp", RESERVATION.decode())
            return {"pnginfo": info}
        case _:
            raise ValueError(f"no notice is embedded in {codec}")


def _scrambled_png(picture: Picture) -> bytes:
    noise = _noise(picture, picture.width * 4)
    return _png(picture.width, picture.height, noise)


def _giant_png(picture: Picture) -> bytes:
    return _png(_GIANT_SIDE, _GIANT_SIDE, zlib.compress(_noise(picture, 1000), 1))


def _noise(picture: Picture, size: int) -> bytes:
    return Random(picture.group).randbytes(size)


def _png(width: int, height: int, data: bytes) -> bytes:
    """A PNG with these bytes for its compressed pixels; all checksums are right."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return _PNG_SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
