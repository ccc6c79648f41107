"""Fixed bodies that are no usable picture, by the name under which a resource asks for them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from functools import cache
from random import Random
from typing import Final

_NOISE_BYTES: Final = 4000
_INFLATED_TO: Final = 64 * 2**20
_GZIP: Final = 31  # zlib's window bits for a gzip wrapper
_ZIP_DATE: Final = (2026, 11, 1, 12, 0, 0)

_HTML: Final = (
    "<!DOCTYPE html>\n<html lang=en><head><title>Not found</title></head>\n<body>\n"
    "<h1>This picture is gone</h1>\n<p>It may have been moved. See the <a href='/'>front page</a>, or "
    "look for it <a href='/search'>by name</a>. We are sorry that we could not keep it.</p>\n</body></html>\n"
)
_TEXT: Final = "This is no picture, but a text that somebody sends under the type of one.\n" * 8
_SVG: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE svg [<!ENTITY secret SYSTEM "file:///etc/passwd">]>\n'
    '<svg xmlns="http://www.w3.org/2000/svg" width="320" height="240" viewBox="0 0 320 240">'
    '<circle cx="160" cy="120" r="90" fill="#c33"/><image href="http://10.0.0.1/inner.png"/>'
    '<text x="20" y="40">&secret;</text></svg>\n'
)


@cache
def bodies() -> Mapping[str, bytes]:
    """Returns all fixed bodies by name."""
    return {
        "html": _HTML.encode(),
        "text": _TEXT.encode(),
        "noise": b"\x00\x01" + Random(1).randbytes(_NOISE_BYTES),
        "zip": _zip(),
        "empty": b"",
        "one_byte": b"\xff",
        "pixel": _pixel(),
        "svg": _SVG.encode(),
        "psd": _psd(),
    }


@cache
def zeros_under_gzip() -> bytes:
    """Returns a small gzip member that inflates to 64 MiB."""
    return gzipped(bytes(_INFLATED_TO))


def gzipped(data: bytes) -> bytes:
    """Returns a gzip member without name or time, so that equal data give equal bytes."""
    deflater = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    return deflater.compress(data) + deflater.flush()


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("readme.txt", _ZIP_DATE), _TEXT)
    return out.getvalue()


def _pixel() -> bytes:
    """A transparent GIF of one pixel, as counters of visits send it."""
    screen = struct.pack("<HHBBB", 1, 1, 0x80, 0, 0)
    control = b"\x21\xf9\x04\x01\x00\x00\x00\x00"
    image = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + screen + b"\x00\x00\x00\xff\xff\xff" + control + image + b"\x3b"


def _psd() -> bytes:
    """A Photoshop file of 16 by 16 grey pixels, uncompressed."""
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, 1, 16, 16, 8, 1)
    return header + struct.pack(">III", 0, 0, 0) + struct.pack(">H", 0) + bytes(range(256))
