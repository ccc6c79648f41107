"""Text into HTML: everything foreign passes through here and comes out as text, never as markup (H5)."""

from __future__ import annotations

import html
import re
from typing import Final
from urllib.parse import urlsplit

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
_UNITS: Final = ((10**9, "G"), (10**6, "M"))
_FULL: Final = 100_000
_BYTES: Final = ("B", "kB", "MB", "GB", "TB", "PB")


def text(value: object) -> str:
    """Returns a value as text for HTML, inside elements and in quoted attributes alike.

    Control characters, overrides of the writing direction and lone surrogates become U+FFFD.
    """
    return html.escape(_CONTROL.sub("\ufffd", str(value)), quote=True)


def foreign(value: str, most: int = 300) -> str:
    """Returns foreign text, cut to length, isolated so that its writing direction stays its own."""
    shown = value if len(value) <= most else value[: most - 1] + "…"
    return f'<bdi dir="auto">{text(shown)}</bdi>'


def link(url: str, shown: str | None = None) -> str:
    """Returns a link that is followed on a click only; as mere text unless it is http or https."""
    name = foreign(shown if shown is not None else url, 90)
    if not is_web(url):
        return name
    return f'<a href="{text(url)}" target="_blank" rel="noopener noreferrer nofollow">{name}</a>'


def prose(value: str) -> str:
    """Returns our own text, in which backquotes mark code."""
    parts = text(value).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))


def is_web(url: str) -> bool:
    """Returns whether an address is http or https with a host, and holds nothing odd."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    odd = _CONTROL.search(url) or any(character.isspace() for character in url)
    return parts.scheme in ("http", "https") and bool(parts.netloc) and not odd


def host(url: str) -> str:
    """Returns the host of an address; empty where there is none."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def number(value: float) -> str:
    """Returns a count in full, such as 1,234,567."""
    return f"{value:,.0f}"


def short(value: float) -> str:
    """Returns a count in few characters, such as 1.23 M; in full where it is short anyway."""
    for size, unit in _UNITS:
        if abs(value) >= size:
            digits = 2 if abs(value) < 10 * size else 1 if abs(value) < 100 * size else 0
            return f"{value / size:.{digits}f} {unit}"
    return f"{value / 1000:.0f} k" if abs(value) >= _FULL else f"{value:,.0f}"


def percent(part: float, whole: float) -> str:
    """Returns a share, such as 12.3 %; a dash where there is no whole."""
    if whole <= 0:
        return "–"
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "< 0.1 %"
    if 99.9 < share < 100:
        return "> 99.9 %"
    return f"{share:.0f} %" if share in (0, 100) else f"{share:.1f} %"


def size(value: float) -> str:
    """Returns a number of bytes, such as 12.3 MB."""
    unit = 0
    while value >= 1000 and unit < len(_BYTES) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {_BYTES[unit]}" if unit == 0 or value >= 100 else f"{value:.1f} {_BYTES[unit]}"


def duration(seconds: float) -> str:
    """Returns a length of time, such as 2 h 5 min."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
