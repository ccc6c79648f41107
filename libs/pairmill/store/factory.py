"""From an address to an object store."""

from __future__ import annotations

from pathlib import Path

from pairmill.errors import ConfigurationError
from pairmill.store.directory import DirectoryStore
from pairmill.store.port import ObjectStore

_FILE = "file://"


def open_store(url: str) -> ObjectStore:
    """Returns the store at an address such as `file:///folder`."""
    if url.startswith(_FILE + "/"):
        return DirectoryStore(Path(url.removeprefix(_FILE)))
    raise ConfigurationError(f"store_url: {url!r} is no address of a store; use file:///absolute/path")
