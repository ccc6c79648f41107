"""Addresses by the WHATWG URL standard: resolved, without fragment, http and https only (U1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import can_ada

from pairmill.blocked_ports import is_blocked_port
from pairmill_protos.common.v1.outcome_pb2 import Reason

_SCHEMES: Final = frozenset({"http:", "https:"})
_UNUSABLE_BASES: Final = frozenset({"data:", "javascript:"})
_INLINE: Final = re.compile(r"[\x00-\x20]*data:", re.IGNORECASE)
_LINE_BREAK: Final = re.compile(r"[\r\n]|%0[ad]", re.IGNORECASE)
_RAW_FACTOR: Final = 4  # an address may be longer before it is resolved: `../`, blanks, tabs


class ImageUrl(NamedTuple):
    """An address that may be fetched."""

    url: str  # serialised, without fragment
    host: str  # as in the URL, without port


Refusal: TypeAlias = "tuple[Reason.ValueType, str]"
"""Why an address is not fetched, with a detail for people."""


@dataclass(frozen=True, slots=True)
class Base:
    """What a page's addresses are relative to."""

    url: can_ada.URL | None  # None where the page's own address is unknown


def document_base(page_url: str, base_href: str) -> Base:
    """Returns a page's base address as the HTML standard finds it: `<base>` where it is usable."""
    page = parse(page_url)
    if not base_href:
        return Base(page)
    base = resolve(base_href, Base(page))
    if base is None or base.protocol in _UNUSABLE_BASES:
        return Base(page)
    return Base(base)


def parse(url: str) -> can_ada.URL | None:
    """Returns an absolute URL parsed, or None if the standard fails on it."""
    try:
        return can_ada.parse(url)
    except ValueError:
        return None


def resolve(url: str, base: Base) -> can_ada.URL | None:
    """Returns a URL resolved against a base, or None if the standard fails on it."""
    if base.url is None:
        return parse(url)
    try:
        return base.url + url
    except ValueError:
        return None


def resolve_text(url: str, base: Base) -> str:
    """Returns a URL resolved and serialised, or as it is where the standard fails on it."""
    found = resolve(url, base)
    return found.href if found is not None else url


def image_url(raw: str, base: Base, max_characters: int) -> ImageUrl | Refusal:
    """Returns an image's address, or why it is refused.

    Nothing is changed beyond what the standard's parser does and the loss of the fragment. Line breaks
    within, written out or as percent-escapes, are refused, although the standard lets them pass (C10).
    """
    if _INLINE.match(raw):
        return (Reason.REASON_DATA_URL, "")
    if len(raw) > _RAW_FACTOR * max_characters:
        return (Reason.REASON_URL_TOO_LONG, f"{len(raw)} characters")
    raw = raw.strip(" \t\r\n\f")
    if not raw:
        return (Reason.REASON_BAD_URL, "empty")
    parsed = resolve(raw, base)
    if parsed is None:
        return (Reason.REASON_BAD_URL, "cannot be parsed")
    if parsed.protocol not in _SCHEMES:
        reason = Reason.REASON_DATA_URL if parsed.protocol == "data:" else Reason.REASON_BAD_SCHEME
        return (reason, parsed.protocol[:20])
    if parsed.port and is_blocked_port(int(parsed.port)):
        return (Reason.REASON_BLOCKED_PORT, parsed.port)
    url = parsed.href
    if "#" in url:
        url = url.partition("#")[0]
    if len(url) > max_characters:
        return (Reason.REASON_URL_TOO_LONG, f"{len(url)} characters")
    if _LINE_BREAK.search(raw) or _LINE_BREAK.search(url):
        return (Reason.REASON_BAD_URL, "line break")
    return ImageUrl(url, parsed.hostname)
