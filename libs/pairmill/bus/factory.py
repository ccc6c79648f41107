"""From an address to a bus."""

from __future__ import annotations

from pathlib import Path

from pairmill.bus.sqlite import SqliteBus
from pairmill.errors import ConfigurationError

_SQLITE = "sqlite://"


def open_bus(url: str) -> SqliteBus:
    """Returns the bus at an address such as `sqlite:///folder/bus.db`."""
    if url.startswith(_SQLITE + "/"):
        return SqliteBus(Path(url.removeprefix(_SQLITE)))
    raise ConfigurationError(f"bus_url: {url!r} is no address of a bus; use sqlite:///absolute/path/bus.db")
