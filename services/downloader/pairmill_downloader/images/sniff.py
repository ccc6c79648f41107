"""Which image format bytes are, by their content alone; names and declared types are never looked at."""

from __future__ import annotations

import re
from typing import Final

_STARTS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"8BPS", "psd"),
    (b"\0\0\1\0", "ico"),
    (b"\0\0\2\0", "cur"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
    (b"\xff\x0a", "jxl"),
    (b"II\xbc", "jxr"),
    (b"%PDF-", "pdf"),
    (b"%!PS", "eps"),
    (b"\xc5\xd0\xd3\xc6", "eps"),
    (b"qoif", "qoi"),
    (b"DDS ", "dds"),
    (b"v/1\x01", "exr"),
    (b"#?RADIANCE", "hdr"),
    (b"#?RGBE", "hdr"),
    (b"\x01\xda", "sgi"),
    (b"icns", "icns"),
    (b"FLIF", "flif"),
    (b"BPG\xfb", "bpg"),
    (b"\x8aMNG\r\n\x1a\n", "mng"),
    (b"\x8bJNG\r\n\x1a\n", "jng"),
    (b"\x59\xa6\x6a\x95", "sun"),
    (b"gimp xcf", "xcf"),
    (b"farbfeld", "farbfeld"),
    (b"\xd7\xcd\xc6\x9a", "wmf"),
    (b"/* XPM */", "xpm"),
    (b"AT&TFORM", "djvu"),
)
_PATTERNS: Final[tuple[tuple[re.Pattern[bytes], str], ...]] = (
    (re.compile(rb"P[1-7][\s#]"), "pnm"),
    (re.compile(rb"P[fF]\s"), "pfm"),
    (re.compile(rb"\x0a[\x00\x02-\x05]\x01[\x01\x02\x04\x08]"), "pcx"),
    (re.compile(rb"\s*#define\s+\w+_width\s", re.ASCII), "xbm"),
    (re.compile(rb".{4}(?:\x11|\x12)\xaf", re.DOTALL), "fli"),
    (re.compile(rb"\x01\0\0\0.{36} EMF", re.DOTALL), "emf"),
)
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_HEIF_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1", b"mif2", b"miaf"}
)
_BMP_HEADERS: Final = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_SVG: Final = re.compile(rb"<(?:\w{1,32}:)?svg[\s>/]", re.IGNORECASE)
_BLANK: Final = b" \t\r\n\f"
_HEAD_BYTES: Final = 8192


def format_of(data: bytes) -> str | None:
    """Returns the format that bytes begin like, such as `jpeg` or `svg`, or None if they are no image.

    More formats are told than are accepted, so that a row says what was there.
    """
    for start, name in _STARTS:
        if data.startswith(start):
            return name
    if data[:4] == b"RIFF":
        return {b"WEBP": "webp", b"ACON": "ani"}.get(data[8:12])
    if data[4:8] == b"ftyp":
        return _brand(data)
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "bmp"
    for pattern, name in _PATTERNS:
        if pattern.match(data[:_HEAD_BYTES]):
            return name
    if data[128:132] == b"DICM":
        return "dicom"
    return "svg" if _is_svg(data[:_HEAD_BYTES]) else None


def _brand(data: bytes) -> str | None:
    """Returns what the file type box of an ISO base media file names; only its images are ours to tell."""
    size = min(int.from_bytes(data[:4], "big"), 1024)
    brands = [data[8:12], *(data[place : place + 4] for place in range(16, size, 4))]
    if any(brand in _AVIF_BRANDS for brand in brands):
        return "avif"
    return "heic" if any(brand in _HEIF_BRANDS for brand in brands) else None


def _is_svg(head: bytes) -> bool:
    """Returns whether the root element of a text is `svg`; what XML allows before it is skipped."""
    rest = head.removeprefix(b"\xef\xbb\xbf").lstrip(_BLANK)
    while rest.startswith((b"<?", b"<!--")):
        _, found, rest = rest.partition(b"?>" if rest.startswith(b"<?") else b"-->")
        if not found:
            return False
        rest = rest.lstrip(_BLANK)
    return rest[:13].lower() == b"<!doctype svg" or _SVG.match(rest) is not None
