"""What a URL asks for, or why nobody is asked (C2, C6, C8, C9, C10)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

import can_ada

from pairmill.blocked_ports import is_blocked_port
from pairmill.domains import registrable_domain
from pairmill_protos.common.v1.outcome_pb2 import Reason

_PORTS: Final = {"http:": 80, "https:": 443}
_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f]|%0d%0a", re.IGNORECASE)
"""Nothing of this may get near a request line; a serialised URL holds no raw ones anyway."""

_STRAY_BYTE: Final = re.compile("[\udc80-\udcff]")

Refusal: TypeAlias = "tuple[Reason.ValueType, str]"
"""Why a URL is not asked for, with a detail for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One request's address, as the URL standard serialises it."""

    url: str  # without fragment and userinfo
    is_tls: bool
    host: str  # IPv6 in brackets
    port: int
    path: str  # with query

    @property
    def origin(self) -> str:
        """Scheme, host and port: what robots.txt and tdmrep.json speak for."""
        return f"{'https' if self.is_tls else 'http'}://{self.host}:{self.port}"

    @property
    def domain(self) -> str:
        """The registrable domain."""
        return registrable_domain(self.host)

    def sibling(self, path: str) -> Target:
        """Returns another path of the same origin."""
        base = self.url[: self.url.index("/", self.url.index("://") + 3)]
        return Target(url=base + path, is_tls=self.is_tls, host=self.host, port=self.port, path=path)


def parse_target(url: str, base: Target | None = None) -> Target | Refusal:
    """Returns what a URL, relative to `base` if there is one, asks for, or why it is refused."""
    try:
        parsed = can_ada.parse(base.url) + url if base else can_ada.parse(url)
    except ValueError:
        return Reason.REASON_BAD_URL, "cannot be parsed"
    if parsed.protocol not in _PORTS:
        return Reason.REASON_BAD_SCHEME, str(parsed.protocol)[:20]
    if _UNSAFE.search(parsed.href):
        return Reason.REASON_BAD_URL, "line break"
    port = int(parsed.port) if parsed.port else _PORTS[parsed.protocol]
    if is_blocked_port(port):
        return Reason.REASON_BLOCKED_PORT, str(port)
    return Target(
        url=_bare(parsed),
        is_tls=parsed.protocol == "https:",
        host=parsed.hostname,
        port=port,
        path=parsed.pathname + parsed.search,
    )


def redirect_target(location: str, base: Target) -> Target | Refusal:
    """Returns where a Location field leads.

    Bytes that are no UTF-8 arrive as lone surrogates; they are escaped, as browsers do.
    """
    escaped = _STRAY_BYTE.sub(lambda found: f"%{ord(found.group()) - 0xDC00:02X}", location)
    return parse_target(escaped, base)


def _bare(parsed: can_ada.URL) -> str:
    """The URL without fragment and userinfo: credentials are never sent."""
    return f"{parsed.protocol}//{parsed.host}{parsed.pathname}{parsed.search}"
