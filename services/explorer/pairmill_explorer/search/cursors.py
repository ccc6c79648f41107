"""Where a list goes on: opaque to callers, and good for the request and the index that it came from only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message

from pairmill_explorer.errors import BadRequestError

_CHECK_BYTES: Final = 8
_SEPARATOR: Final = "\n"
_NONE: Final = "is none; pass on the next_cursor of the page before"
_FIELD: Final = "cursor"
_MOST_CHARACTERS: Final = 400

RANK: Final = re.compile(r"[0-9]{1,9}")
"""A position among a query's results."""
ID: Final = re.compile(r"[0-9a-f]{32}")
"""The last sample before a position."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a list is of."""

    query: str  # digest of the request
    version: str  # of the index or dataset that it is read from


def query_digest(request: Message, *left_out: str) -> str:
    """Returns the digest of a request without the fields that do not tell one list from another."""
    copy = type(request)()
    copy.CopyFrom(request)
    for field in left_out:
        copy.ClearField(field)
    return hashlib.blake2b(copy.SerializeToString(deterministic=True), digest_size=16).hexdigest()


def cursor_at(position: str, origin: Origin) -> str:
    """Returns the cursor of a position; the empty position has none."""
    if not position:
        return ""
    text = _SEPARATOR.join((origin.query[:16], origin.version[:16], position)).encode()
    return base64.urlsafe_b64encode(_check(text) + text).decode().rstrip("=")


def position_of(cursor: str, origin: Origin, form: re.Pattern[str]) -> str:
    """Returns where a cursor stands, empty without one.

    Raises BadRequestError for one from elsewhere, and for one made up whose position is not of the form that
    the list's positions have.
    """
    if not cursor:
        return ""
    query, version, position = _opened(cursor)
    if not form.fullmatch(position):
        raise BadRequestError(_FIELD, _NONE)
    if query != origin.query[:16]:
        raise BadRequestError(_FIELD, "belongs to another request; pass on the next_cursor of the same one")
    if version != origin.version[:16]:
        raise BadRequestError(_FIELD, "is of an earlier version of the data; start again at the first page")
    return position


def _opened(cursor: str) -> tuple[str, str, str]:
    if len(cursor) > _MOST_CHARACTERS:
        raise BadRequestError(_FIELD, _NONE)
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        if not hmac.compare_digest(data[:_CHECK_BYTES], _check(data[_CHECK_BYTES:])):
            raise ValueError("its check does not match")
        query, version, position = data[_CHECK_BYTES:].decode().split(_SEPARATOR)
    except (binascii.Error, ValueError) as error:
        raise BadRequestError(_FIELD, _NONE) from error
    return query, version, position


def _check(data: bytes) -> bytes:
    """Not a secret: it tells slips of the hand, and every explorer knows it. Who wants to can make one up."""
    return hashlib.blake2b(data, digest_size=_CHECK_BYTES, person=b"pairmill-list").digest()
