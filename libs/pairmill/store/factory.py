"""From an address to an object store."""

from __future__ import annotations

from pathlib import Path

from pairmill.errors import ConfigurationError
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectStore
from pairmill.store.settings import S3Config

_FILE = "file://"
_S3 = "s3://"


def open_store(url: str, s3: S3Config | None = None) -> ObjectStore:
    """Returns the store at an address: `file:///folder` or `s3://bucket/prefix`."""
    if url.startswith(_FILE + "/"):
        return DirectoryStore(Path(url.removeprefix(_FILE)))
    if url.startswith(_S3):
        try:
            from pairmill.store.s3 import S3Store  # its client is an extra of its own
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"store_url: {url} needs {error.name}, which comes with the extra: pip install 'pairmill[s3]'"
            ) from error
        bucket, _, prefix = url.removeprefix(_S3).partition("/")
        return S3Store(bucket, prefix.strip("/"), s3 or S3Config())
    raise ConfigurationError(
        f"store_url: {url!r} is no address of a store; use file:///absolute/path or s3://bucket/prefix"
    )
