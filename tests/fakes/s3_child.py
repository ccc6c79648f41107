"""A child that stores a file below `jobs/one` of a bucket: `ENDPOINT CREDENTIALS BUCKET KEY FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

from pairmill.store.s3 import S3Store
from pairmill.store.settings import MIN_PART_BYTES, S3Config


def store_file(endpoint: str, credentials: str, bucket: str, key: str, path: str) -> None:
    """Stores a file in the smallest parts, and says so."""
    config = S3Config(
        endpoint=endpoint,
        credentials_file=Path(credentials),
        part_bytes=MIN_PART_BYTES,
        read_timeout_seconds=120.0,
    )
    with S3Store(bucket, "jobs/one", config) as store:
        store.put_file(key, Path(path))
    sys.stdout.write("stored\n")


if __name__ == "__main__":
    store_file(*sys.argv[1:])
