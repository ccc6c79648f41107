"""From an address to a bus."""

from __future__ import annotations

from pathlib import Path

from pairmill.bus.port import Bus
from pairmill.bus.settings import KafkaConfig
from pairmill.bus.sqlite import SqliteBus
from pairmill.errors import ConfigurationError

_SQLITE = "sqlite://"
_KAFKA = "kafka://"


def open_bus(url: str, kafka: KafkaConfig | None = None) -> Bus:
    """Returns the bus at an address: `sqlite:///folder/bus.db` or `kafka://host:9092,host:9092`."""
    if url.startswith(_SQLITE + "/"):
        return SqliteBus(Path(url.removeprefix(_SQLITE)))
    if url.startswith(_KAFKA):
        from pairmill.bus.kafka import KafkaBus  # its client is an extra of its own

        return KafkaBus(tuple(url.removeprefix(_KAFKA).split(",")), kafka or KafkaConfig())
    raise ConfigurationError(
        f"bus_url: {url!r} is no address of a bus; use sqlite:///absolute/path/bus.db or kafka://host:port"
    )
