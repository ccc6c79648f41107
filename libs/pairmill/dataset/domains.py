"""Registrable domains of addresses as keys; `data/` holds the URL alone."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from pairmill.domains import registrable_domain
from pairmill.ids import ID_BYTES


def domain_ids(urls: pa.Array[Any]) -> pa.Array[Any]:
    """Returns 16 bytes for the registrable domain of each URL, equal where the domains are."""
    return pa.array([_digest(host_of(url or "")) for url in urls.to_pylist()], pa.binary(ID_BYTES))


def host_of(url: str) -> str:
    """Returns the host of a serialised URL as the URL has it, IPv6 in brackets."""
    authority = urlsplit(url).netloc.rpartition("@")[2]
    if authority.startswith("["):
        return authority.partition("]")[0] + "]"
    return authority.partition(":")[0]


@lru_cache(maxsize=1 << 16)
def _digest(host: str) -> bytes:
    return hashlib.blake2b(registrable_domain(host).encode(), digest_size=ID_BYTES).digest()
