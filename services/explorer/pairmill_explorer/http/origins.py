"""Whose page asks: a browser says it, and pages of others may not use the sessions of ours. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import grpc

from pairmill.rpc.config import is_loopback
from pairmill.rpc.refusals import RefusedError

JSON: Final = "application/json"


def check_host(host: str) -> None:
    """Raises PERMISSION_DENIED unless a request was made for this machine by one of its own names.

    A server without tokens has nothing else that tells a page of a site whose name was made to point here.
    """
    if not _is_own(host):
        raise RefusedError(
            grpc.StatusCode.PERMISSION_DENIED, "only localhost is served here; open http://127.0.0.1"
        )


def check_origin(headers: Mapping[str, str], host: str, allowed: Collection[str]) -> None:
    """Raises PERMISSION_DENIED for a request that another site's page made."""
    origin = headers.get("Origin")
    if origin is not None:
        if origin in allowed or urlsplit_or_none(origin) == host:
            return
    elif headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
        return
    raise RefusedError(grpc.StatusCode.PERMISSION_DENIED, "pages of other sites may not ask here")


def check_json(content_type: str) -> None:
    """Raises INVALID_ARGUMENT unless a body says that it is JSON, which no form of another page can."""
    if content_type != JSON:
        raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, f"send Content-Type: {JSON}")


def urlsplit_or_none(origin: str) -> str | None:
    """Returns the host and port of an origin, or None where it is none."""
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


@lru_cache(maxsize=64)
def _is_own(host: str) -> bool:
    return is_loopback(_host_of(f"http://{host}"))


def _host_of(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
