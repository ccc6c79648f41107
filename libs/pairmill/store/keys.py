"""What a key of an object may be."""

from __future__ import annotations

MAX_KEY_BYTES = 1024
TEMPORARY = ".tmp-"
"""Names of files that are being written begin so; no part of a key does."""


def check_key(key: str) -> None:
    """Raises ValueError unless a key is a relative path of plain parts, such as `a/b/c.tar`."""
    parts = key.split("/")
    if not key or len(key.encode()) > MAX_KEY_BYTES:
        raise ValueError(f"a key has 1 to {MAX_KEY_BYTES} bytes: {key[:80]!r}")
    if any(part in ("", ".", "..") for part in parts) or any(ord(character) < 0x20 for character in key):
        raise ValueError(f"not a plain relative key: {key!r}")
    if "\\" in key or parts[0].startswith(".") or any(part.startswith(TEMPORARY) for part in parts):
        raise ValueError(f"a reserved name in key {key!r}")


def check_prefix(prefix: str) -> None:
    """Raises ValueError unless a prefix is empty or the beginning of a key."""
    if prefix:
        check_key(prefix.rstrip("/") if prefix.endswith("/") and not prefix.endswith("//") else prefix)
