"""How an S3 endpoint is reached."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

MIN_PART_BYTES: Final = 5 * 2**20
MAX_PART_BYTES: Final = 5 * 2**30
"""What S3 allows for the parts of an upload, but the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Config:
    """Settings of an `s3://bucket/prefix` store."""

    endpoint: str = ""  # such as https://s3.example.org; required for s3:// addresses
    region: str = "us-east-1"  # name that requests are signed for
    credentials_file: Path | None = None  # JSON with access_key, secret_key and perhaps session_token
    ca_file: Path | None = None  # PEM with the authorities to trust; unset trusts the system's
    connect_timeout_seconds: float = 5.0  # most time to connect, and to send a block
    read_timeout_seconds: float = 30.0  # longest silence of the endpoint while it answers
    part_bytes: int = 16 * 2**20  # size of the parts of large objects, at least 5 MiB
    read_patience_seconds: float = 20.0  # for how long a read is tried again before the store is away
    write_patience_seconds: float = 120.0  # the same of a write, with which a unit's work is at stake
    connections: int = 8  # most connections at once; calls beyond them wait

    def __post_init__(self) -> None:
        """Raises ValueError for values that no endpoint takes."""
        if not MIN_PART_BYTES <= self.part_bytes <= MAX_PART_BYTES:
            raise ValueError(f"part_bytes is {MIN_PART_BYTES} to {MAX_PART_BYTES}, not {self.part_bytes}")
        if self.connections < 1:
            raise ValueError("connections is at least 1")
        if min(self.connect_timeout_seconds, self.read_timeout_seconds) <= 0:
            raise ValueError("connect_timeout_seconds and read_timeout_seconds are above 0")
        if min(self.read_patience_seconds, self.write_patience_seconds) < 0:
            raise ValueError("read_patience_seconds and write_patience_seconds are 0 or more")
