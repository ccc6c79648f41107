"""Headers of every answer: what a browser may do with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from aiohttp import web

CONTENT_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
SECURITY: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_SECURE: Final = {"Strict-Transport-Security": "max-age=31536000"}


class Headers:
    """Adds them."""

    def __init__(self, *, secure: bool, allow_origins: Collection[str]) -> None:
        """`secure` says that browsers come over TLS."""
        self._always = {**SECURITY, **(_SECURE if secure else {})}
        self._allowed = frozenset(allow_origins)

    async def add(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Adds to an answer what belongs to it."""
        response.headers.update(self._always)
        response.headers["Server"] = "pairmill"
        origin = request.headers.get("Origin", "")
        if origin in self._allowed:
            response.headers.update(
                {
                    "Access-Control-Allow-Origin": origin,
                    "Access-Control-Allow-Methods": "GET, POST",
                    "Access-Control-Allow-Headers": "Authorization, Content-Type",
                    "Access-Control-Max-Age": "600",
                    "Cross-Origin-Resource-Policy": "cross-origin",
                }
            )
        if self._allowed:
            response.headers.add("Vary", "Origin")
