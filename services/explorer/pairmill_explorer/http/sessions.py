"""Sessions of browsers: a token's digest and an end, signed, so that any replica with the key reads them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pairmill.errors import ConfigurationError

KEY_BYTES: Final = 32
_DIGEST_BYTES: Final = 32
_ENDS: Final = struct.Struct(">q")
_SIZE: Final = _DIGEST_BYTES + _ENDS.size + _DIGEST_BYTES


class Sessions:
    """Makes and reads the values of session cookies.

    A session names its token by the token's digest: when the token is gone, so is the session.
    """

    def __init__(self, key: bytes, seconds: float) -> None:
        self._key = key
        self._seconds = seconds

    def opened(self, token_digest: bytes, now: datetime) -> str:
        """Returns the value of a fresh session."""
        ends = _ENDS.pack(int((now + timedelta(seconds=self._seconds)).timestamp()))
        body = token_digest + ends
        return base64.urlsafe_b64encode(body + self._signature(body)).decode()

    def token_digest(self, value: str, now: datetime) -> bytes | None:
        """Returns the digest of a session's token, or None where it is none of ours or is over."""
        try:
            data = base64.b64decode(value, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        body, signature = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
        if len(data) != _SIZE or not hmac.compare_digest(signature, self._signature(body)):
            return None
        ends = _ENDS.unpack(body[_DIGEST_BYTES:])[0]
        return body[:_DIGEST_BYTES] if now < datetime.fromtimestamp(ends, UTC) else None

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self._key, b"pairmill session\0" + body, hashlib.sha256)


def read_key(path: Path) -> bytes:
    """Returns a key; raises ConfigurationError where it cannot be read or is too short to be one."""
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(f"http.session_key_file: {path} cannot be read: {error.strerror}") from error
    if len(key) < KEY_BYTES:
        raise ConfigurationError(
            f"http.session_key_file: {path} has {len(key)} bytes; a key has at least {KEY_BYTES}"
        )
    return key
