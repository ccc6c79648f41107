"""Page sizes and page tokens: opaque to callers, and good for the list that they came from only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

from pairmill.rpc.refusals import Violation
from pairmill_gateway.rpc.ports import Page

DEFAULT_PAGE: Final = 100
MAX_PAGE: Final = 1000

_CHECK_BYTES: Final = 8


def page_of(size: int, token: str, query: str, problems: list[Violation]) -> Page:
    """Returns the page that is asked for; `query` names the list with its filters.

    A size of 0 is the default. What is wrong is added to `problems`.
    """
    if not 0 <= size <= MAX_PAGE:
        problems.append(Violation(field="page_size", description=f"is {size:,}; 1 to {MAX_PAGE:,}, 0 is 100"))
    after = _opened(token, query) if token else ""
    if after is None:
        problems.append(
            Violation(
                field="page_token",
                description="is not one of this list; pass on the next_page_token of the same request",
            )
        )
    return Page(size=size or DEFAULT_PAGE, after=after or "")


def page_token(after: str, query: str) -> str:
    """Returns the token of the page that begins after a place; empty where there is none."""
    if not after:
        return ""
    return base64.urlsafe_b64encode(_check(after, query) + after.encode()).decode().rstrip("=")


def _opened(token: str, query: str) -> str | None:
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        after = data[_CHECK_BYTES:].decode()
    except (binascii.Error, ValueError):
        return None
    return after if hmac.compare_digest(data[:_CHECK_BYTES], _check(after, query)) else None


def _check(after: str, query: str) -> bytes:
    """Not a secret: it tells tokens of other lists and slips of the hand, and every gateway knows it."""
    return hashlib.blake2b(
        f"{query}\0{after}".encode(), digest_size=_CHECK_BYTES, person=b"pairmill-page"
    ).digest()
