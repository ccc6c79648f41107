"""What a picture's EXIF says, as JSON.

Where it was taken is left out: a location is personal data that no training needs. So are blobs (maker
notes, thumbnails) and anything beyond a bounded size.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from PIL import ExifTags, Image

_EXIF_IFD: Final = 0x8769
_MAX_TAGS: Final = 64
_MAX_VALUE: Final = 200  # characters
_LEFT_OUT: Final = frozenset(
    {"ExifOffset", "GPSInfo", "MakerNote", "UserComment", "PrintImageMatching", "XMLPacket", "ImageResources"}
)


def exif_json(exif: Image.Exif) -> str | None:
    """Returns tag names with their values as text, or None if there are none; never raises."""
    facts: dict[str, str] = {}
    for name, value in _tags(exif):
        if len(facts) >= _MAX_TAGS:
            break
        facts.setdefault(name, value)
    return json.dumps(facts, ensure_ascii=True, sort_keys=True) if facts else None


def orientation_of(exif: Image.Exif) -> int:
    """Returns the orientation 1..8; 1 where nothing sensible is stated."""
    value = exif.get(ExifTags.Base.Orientation)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _tags(exif: Image.Exif) -> Iterator[tuple[str, str]]:
    for tags in (exif, _inner(exif)):
        for tag in sorted(tags):
            name = ExifTags.TAGS.get(tag)
            if name is not None and name not in _LEFT_OUT:
                text = _text(tags[tag])
                if text:
                    yield name, text


def _inner(exif: Image.Exif) -> dict[int, object]:
    try:
        return dict(exif.get_ifd(_EXIF_IFD))
    except Exception:  # noqa: BLE001 - hostile EXIF is dropped, whatever it breaks
        return {}


def _text(value: object) -> str:
    """Returns a value as a line of text; empty for blobs."""
    if isinstance(value, bytes):
        value = value.decode("ascii", "ignore") if value.isascii() else ""
    if isinstance(value, tuple):
        value = ", ".join(str(part) for part in value[:16])
    kept = "".join(character for character in str(value) if character.isprintable())
    return kept.strip()[:_MAX_VALUE]
