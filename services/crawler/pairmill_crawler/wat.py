"""The JSON of a WAT record: what of it concerns images, tolerant of everything else.

Three ways lead through a record, and they agree (a test compares them): the outline alone for records
without the bytes of an image link, typed structs for the well-formed rest, and piece by piece for records
in which something is of another type than Common Crawl's format says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from pairmill_protos.common.v1.outcome_pb2 import Reason

IMAGE_PATH: Final = "IMG@/src"
MAX_DEPTH: Final = 512
"""Deepest nesting that is read; real records reach 9."""

_MARKER: Final = b"IMG@"
_ESCAPED_MARKER: Final = b"\\u004"  # the escapes of all four characters of the marker begin so
_NEITHER_BRACKETS_NOR_QUOTES: Final = bytes(set(range(256)) - set(b'"{}[]'))
_LONE_SURROGATE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


class Link(Struct, gc=False):
    """An entry of `Links`."""

    path: str = ""
    url: str | None = None
    alt: str | None = None
    rel: str = ""


class Meta(Struct, gc=False):
    """A `<meta>` of the page's head."""

    name: str | None = None
    content: str | None = None


class HeadLink(Struct, gc=False):
    """A `<link>` of the page's head."""

    url: str | None = None
    rel: str | None = None


class BadLink:
    """Stands for an entry that is no link, or for an image link with a value of another type."""


BAD_LINK: Final = BadLink()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a WAT record says of a page."""

    url: str  # as it stands in the record, empty if missing
    base_href: str  # of `<base>`, empty if there is none
    metas: Sequence[Meta]
    head_links: Sequence[HeadLink]
    links: Sequence[Link | BadLink]
    headers: bytes  # JSON of the HTTP headers, empty if missing
    warc_file: str
    warc_offset: int  # -1 if not stated


@dataclass(frozen=True, slots=True)
class Imageless:
    """A page without the bytes of an image link; nothing but the number of its links is known."""

    links: int


Parsed: TypeAlias = "Page | Imageless | tuple[Reason.ValueType, str]"
"""A page, or the reason why the whole record gives none, with a detail for people."""


class _Head(Struct, gc=False):
    base: str = field(default="", name="Base")
    metas: list[Meta] = field(default_factory=list, name="Metas")
    links: list[HeadLink] = field(default_factory=list, name="Link")


class _Html(Struct, gc=False):
    head: _Head | UnsetType = field(default=UNSET, name="Head")
    links: list[Link] = field(default_factory=list, name="Links")


class _Response(Struct, gc=False):
    html: _Html | UnsetType = field(default=UNSET, name="HTML-Metadata")
    headers: Raw = field(default_factory=Raw, name="Headers")


class _Payload(Struct, gc=False):
    response: _Response | UnsetType = field(default=UNSET, name="HTTP-Response-Metadata")


class _WarcHeader(Struct, gc=False):
    target_uri: str = field(default="", name="WARC-Target-URI")


class _Envelope(Struct, gc=False):
    payload: _Payload | UnsetType = field(default=UNSET, name="Payload-Metadata")
    header: _WarcHeader | UnsetType = field(default=UNSET, name="WARC-Header-Metadata")


class _Container(Struct, gc=False):
    filename: str = field(default="", name="Filename")
    offset: str | int = field(default=-1, name="Offset")


class _Document(Struct, gc=False):
    envelope: _Envelope = field(name="Envelope")
    container: _Container | UnsetType = field(default=UNSET, name="Container")


class _LinkOutline(Struct, gc=False):
    path: str = ""


class _HtmlOutline(Struct, gc=False):
    links: list[_LinkOutline] = field(default_factory=list, name="Links")


class _ResponseOutline(Struct, gc=False):
    html: _HtmlOutline | UnsetType = field(default=UNSET, name="HTML-Metadata")


class _PayloadOutline(Struct, gc=False):
    response: _ResponseOutline | UnsetType = field(default=UNSET, name="HTTP-Response-Metadata")


class _EnvelopeOutline(Struct, gc=False):
    payload: _PayloadOutline | UnsetType = field(default=UNSET, name="Payload-Metadata")


class _Outline(Struct, gc=False):
    envelope: _EnvelopeOutline = field(name="Envelope")


_decode_document: Final = msgspec.json.Decoder(_Document).decode
_decode_outline: Final = msgspec.json.Decoder(_Outline).decode
_decode_members: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_entries: Final = msgspec.json.Decoder(list[Raw]).decode
_decode_any: Final = msgspec.json.Decoder().decode
_decode_link: Final = msgspec.json.Decoder(Link).decode

_EMPTY: Final = Raw(b'""')
_NO_METADATA: Final = (Reason.REASON_NO_HTML_METADATA, "")


def parse_wat(payload: bytes, *, prefilter: bool = True) -> Parsed:
    """Returns what a WAT record's JSON says; never raises.

    `prefilter` spares records that cannot hold an image link most of the work; the result's counts are
    the same without it. Lone surrogates and bytes that are not UTF-8 are read as U+FFFD.
    """
    if _is_too_deep(payload):
        return (Reason.REASON_TOO_DEEP, f"nested deeper than {MAX_DEPTH}")
    try:
        if prefilter and not may_hold_images(payload):
            return _parse_outline(payload)
        return _parse_page(payload)
    except msgspec.DecodeError as error:
        return (Reason.REASON_BAD_JSON, str(error))
    except RecursionError:
        return (Reason.REASON_TOO_DEEP, "nested too deep")


def may_hold_images(payload: bytes) -> bool:
    """Whether some string of a JSON text can begin with `IMG@`."""
    return _MARKER in payload or _ESCAPED_MARKER in payload


def _parse_outline(payload: bytes) -> Parsed:
    try:
        outline = _decode_outline(payload)
    except (msgspec.DecodeError, UnicodeError):
        return _parse_by_pieces(clean_json(payload))
    match outline.envelope.payload:
        case _PayloadOutline(response=_ResponseOutline(html=_HtmlOutline(links=links))):
            return Imageless(len(links)) if links else _NO_METADATA
        case _:
            return _NO_METADATA


def _parse_page(payload: bytes) -> Parsed:
    try:
        document = _decode_document(payload)
    except (msgspec.DecodeError, UnicodeError):
        return _parse_by_pieces(clean_json(payload))
    envelope, container = document.envelope, document.container
    match envelope.payload:
        case _Payload(response=_Response(html=_Html() as html, headers=headers)):
            pass
        case _:
            return _NO_METADATA
    if not html.links:
        return _NO_METADATA
    head = html.head if html.head is not UNSET else _Head()
    return Page(
        url=envelope.header.target_uri if envelope.header is not UNSET else "",
        base_href=head.base,
        metas=head.metas,
        head_links=head.links,
        links=html.links,
        headers=bytes(headers),
        warc_file=container.filename if container is not UNSET else "",
        warc_offset=_offset(container.offset) if container is not UNSET else -1,
    )


def _parse_by_pieces(payload: bytes) -> Parsed:
    """Reads a record in which something is of an unexpected type."""
    document = _object(Raw(payload))
    if document is None:
        return (Reason.REASON_BAD_SCHEMA, "the record is no object")
    envelope = _object(document.get("Envelope"))
    if envelope is None:
        return (Reason.REASON_BAD_SCHEMA, "Envelope is missing or no object")
    html: dict[str, Raw] = envelope
    headers = Raw()
    for name in ("Payload-Metadata", "HTTP-Response-Metadata", "HTML-Metadata"):
        if name not in html:
            return _NO_METADATA
        inner = _object(html[name])
        if inner is None:
            return (Reason.REASON_BAD_SCHEMA, f"{name} is no object")
        html, headers = inner, html.get("Headers", headers)
    if "Links" not in html:
        return _NO_METADATA
    entries = _array(html["Links"])
    if entries is None:
        return (Reason.REASON_BAD_SCHEMA, "Links is no array")
    if not entries:
        return _NO_METADATA
    return _page_of_pieces(document, envelope, html, entries, bytes(headers))


def _page_of_pieces(
    document: dict[str, Raw],
    envelope: dict[str, Raw],
    html: dict[str, Raw],
    entries: list[Raw],
    headers: bytes,
) -> Page:
    head = _object(html.get("Head")) or {}
    container = _object(document.get("Container")) or {}
    header = _object(envelope.get("WARC-Header-Metadata")) or {}
    return Page(
        url=_text(header.get("WARC-Target-URI")),
        base_href=_text(head.get("Base")),
        metas=[
            Meta(name=_text(members.get("name")), content=_text(members.get("content")))
            for members in _objects(head.get("Metas"))
        ],
        head_links=[
            HeadLink(url=_text(members.get("url")), rel=_text(members.get("rel")))
            for members in _objects(head.get("Link"))
        ],
        links=[_link_of_piece(entry) for entry in entries],
        headers=headers,
        warc_file=_text(container.get("Filename")),
        warc_offset=_offset(_any(container.get("Offset"))),
    )


def _link_of_piece(entry: Raw) -> Link | BadLink:
    try:
        return _decode_link(entry)
    except msgspec.DecodeError:
        members = _object(entry)
    if members is None:
        return BAD_LINK
    path, url, alt = _any(members.get("path", _EMPTY)), _any(members.get("url")), _any(members.get("alt"))
    if not isinstance(path, str):
        return BAD_LINK
    if path == IMAGE_PATH and not (isinstance(url, str | None) and isinstance(alt, str | None)):
        return BAD_LINK
    return Link(
        path=path,
        rel=_text(members.get("rel")),
        url=url if isinstance(url, str) else None,
        alt=alt if isinstance(alt, str) else None,
    )


def clean_json(payload: bytes) -> bytes:
    """Returns a JSON text as UTF-8, with U+FFFD for what is none and for escapes of lone surrogates."""
    text = payload.decode("utf-8", "replace").encode()
    if b"\\u" not in text:
        return text
    return _LONE_SURROGATE.sub(lambda found: rb"\ufffd" if found[1] else found[0], text)


def _object(raw: Raw | None) -> dict[str, Raw] | None:
    if raw is None:
        return None
    try:
        return _decode_members(raw)
    except msgspec.ValidationError:
        return None


def _objects(raw: Raw | None) -> list[dict[str, Raw]]:
    entries = _array(raw) if raw is not None else None
    found = (_object(entry) for entry in entries or ())
    return [members for members in found if members is not None]


def _array(raw: Raw) -> list[Raw] | None:
    try:
        return _decode_entries(raw)
    except msgspec.ValidationError:
        return None


def _any(raw: Raw | None) -> object:
    if raw is None:
        return None
    try:
        return _decode_any(raw)
    except msgspec.DecodeError:
        return raw  # a number out of range, say: of no type that is asked for


def _text(raw: Raw | None) -> str:
    value = _any(raw)
    return value if isinstance(value, str) else ""


def _offset(value: object) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else -1


def _is_too_deep(payload: bytes) -> bool:
    """Whether the brackets outside strings nest deeper than `MAX_DEPTH`."""
    if payload.count(b"{") + payload.count(b"[") <= MAX_DEPTH:
        return False
    if b"\\" in payload:
        payload = payload.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = payload.translate(None, _NEITHER_BRACKETS_NOR_QUOTES).replace(b'""', b"")
    # a flat record is nothing but pairs, and those nest two deep at most
    rest = brackets.replace(b"{}", b"").replace(b"[]", b"")
    return len(rest) + 2 > MAX_DEPTH and _depth(brackets) > MAX_DEPTH


def _depth(brackets: bytes) -> int:
    """Returns the deepest nesting in a text of brackets and quotes."""
    depth = deepest = 0
    quoted = False
    for byte in brackets:
        if byte == 0x22:
            quoted = not quoted
        elif not quoted:
            depth += 1 if byte in b"{[" else -1
            deepest = max(deepest, depth)
    return deepest
