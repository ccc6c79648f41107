"""The page and its files, held in memory: they are few and small."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from aiohttp import web

from pairmill_explorer.http.answers import etag_of, gzipped, is_held, wants_gzip
from pairmill_explorer.http.gate import Handler

_BEST: Final = 9
_TYPES: Final = {
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_UNPACKED: Final = ("image/png", "image/jpeg", "font/woff2")
"""Compressed already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A file as it is served."""

    content_type: str
    data: bytes
    packed: bytes | None  # as gzip, where that is smaller
    etag: str


def read_pages() -> dict[str, Page]:
    """Returns all files by the address that they are served at."""
    root = files("pairmill_explorer.web")
    found = {"/": _page("index.html", (root / "index.html").read_bytes())}
    for path, file in _files(root / "static", "/static"):
        found[path] = _page(path, file.read_bytes())
    return found


def page_handler(page: Page) -> Handler:
    """Returns what serves a file: asked for again each time, sent when it has changed."""

    async def serve(request: web.Request) -> web.Response:
        headers = {"ETag": page.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if is_held(request, page.etag):
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = page.content_type
        if page.packed is not None and wants_gzip(request):
            return web.Response(body=page.packed, headers=headers | {"Content-Encoding": "gzip"})
        return web.Response(body=page.data, headers=headers)

    return serve


def _files(folder: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        inner = f"{path}/{entry.name}"
        if entry.is_dir():
            yield from _files(entry, inner)
        elif not entry.name.startswith((".", "__")):
            yield inner, entry


def _page(name: str, data: bytes) -> Page:
    suffix = "." + name.rpartition(".")[2]
    kind = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    is_text = kind.startswith("text/") or kind.endswith(("javascript", "xml", "json"))
    packed = None if kind in _UNPACKED else gzipped(data, _BEST)
    return Page(
        content_type=f"{kind}; charset=utf-8" if is_text else kind,
        data=data,
        packed=packed if packed is not None and len(packed) < len(data) else None,
        etag=etag_of(data),
    )
