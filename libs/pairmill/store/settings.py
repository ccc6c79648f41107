"""How an S3 endpoint is reached."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Config:
    """Settings of an `s3://bucket/prefix` store."""

    endpoint: str = ""  # such as https://s3.example.org; required for s3:// addresses
    region: str = "us-east-1"
    credentials_file: Path | None = None  # JSON with access_key, secret_key and perhaps session_token
    ca_file: Path | None = None  # PEM with the authorities to trust; unset trusts the system's
    connect_timeout_seconds: float = 5.0
    read_timeout_seconds: float = 30.0
    part_bytes: int = 16 * 2**20  # size of the parts of large objects, at least 5 MiB
    attempts: int = 4  # tries of one call before the store counts as away
    connections: int = 8  # connections kept open
