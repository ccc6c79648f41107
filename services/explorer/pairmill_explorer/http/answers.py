"""Answers that are bodies: compressed where it pays and is understood, and not sent twice."""

from __future__ import annotations

import hashlib
import zlib
from typing import Final

from aiohttp import web

from pairmill_explorer.http.origins import JSON

GZIP_FROM_BYTES: Final = 1400
"""Smaller ones fit into one packet anyway."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_FAST: Final = 1


def gzipped(data: bytes, level: int = _FAST) -> bytes:
    """Returns data as gzip, the same bytes each time."""
    packer = zlib.compressobj(level, zlib.DEFLATED, _GZIP)
    return packer.compress(data) + packer.flush()


def wants_gzip(request: web.BaseRequest) -> bool:
    """Returns whether a client understands gzip."""
    return "gzip" in request.headers.get("Accept-Encoding", "")


def json_body(data: bytes, *, gzip: bool) -> tuple[bytes, dict[str, str]]:
    """Returns a body of JSON as it travels, and its headers."""
    headers = {"Content-Type": JSON, "Cache-Control": "no-store"}
    if not gzip or len(data) < GZIP_FROM_BYTES:
        return data, headers
    return gzipped(data), headers | {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}


def etag_of(data: bytes) -> str:
    """Returns the strong entity tag of a body."""
    return f'"{hashlib.blake2b(data, digest_size=12).hexdigest()}"'


def is_held(request: web.BaseRequest, etag: str) -> bool:
    """Returns whether the client holds the body with this tag already."""
    held = request.headers.get("If-None-Match", "")
    return held == "*" or etag in {tag.strip().removeprefix("W/") for tag in held.split(",")}
