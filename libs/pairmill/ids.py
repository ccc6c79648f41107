"""Identity of samples and addresses (U1) and the host buckets (U6).

`sample_id` and `url_id` are 128 bits. Inside the pipeline they are 16 raw bytes; where a person or a
foreign tool reads them they are 32 lower-case hex digits.
"""

from __future__ import annotations

import hashlib
import struct

ID_VERSION = 1
"""Version of the rules on this page together with the repair of texts."""

ID_BYTES = 16
BUCKETS = 4096
"""Number of host buckets, for ever."""

_PERSON = b"pairmill-id-v1"


def sample_id(url: str, text: str) -> bytes:
    """Returns the 16-byte id of a (URL, text) pair.

    BLAKE2b-128 with person `pairmill-id-v1` over the URL's UTF-8 length (u32, little endian), the URL
    and the text. `url` is the WHATWG serialisation without fragment, `text` the repaired text in NFC.
    """
    raw = url.encode()
    return _digest(struct.pack("<I", len(raw)) + raw + text.encode())


def url_id(url: str) -> bytes:
    """Returns the 16-byte id of a URL alone, made like `sample_id` with an empty text."""
    return sample_id(url, "")


def to_hex(identifier: bytes) -> str:
    """Returns an id as 32 lower-case hex digits."""
    return identifier.hex()


def from_hex(text: str) -> bytes:
    """Returns the 16 bytes of an id written as 32 hex digits; raises ValueError otherwise."""
    identifier = bytes.fromhex(text)
    if len(identifier) != ID_BYTES:
        raise ValueError(f"an id has 32 hex digits, got {text!r}")
    return identifier


def bucket_of(registrable_domain: str) -> int:
    """Returns the host bucket 0..4095: the first 12 bits of BLAKE2b-128 of the registrable domain."""
    head = _digest(registrable_domain.encode())
    return (head[0] << 4) | (head[1] >> 4)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=ID_BYTES, person=_PERSON).digest()
