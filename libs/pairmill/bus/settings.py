"""How a Kafka broker is reached."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path


class SaslMechanism(enum.Enum):
    """How a client proves who it is."""

    NONE = "none"
    PLAIN = "plain"
    SCRAM_SHA_256 = "scram-sha-256"
    SCRAM_SHA_512 = "scram-sha-512"


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConfig:
    """Settings of a `kafka://host:port,…` bus. Files are read anew at each connection."""

    tls: bool = False  # whether to speak TLS
    ca_file: Path | None = None  # PEM with the authorities to trust; unset trusts the system's
    certificate_file: Path | None = None  # PEM with the client's certificate, for mutual TLS
    key_file: Path | None = None  # PEM with its key
    sasl_mechanism: SaslMechanism = SaslMechanism.NONE  # how a client proves who it is
    sasl_username: str = ""  # the name that the password belongs to
    sasl_password_file: Path | None = None  # file with the password
    session_timeout_seconds: float = 45.0  # silence after which the group takes a member for dead
    # So long the others of a group, who then get nothing, wait at a rebalance for a member that stands
    # still. A healthy one is away for a publish and a question to the broker, 95 s at most; whoever is
    # silent for half a session asks no host meanwhile (U10), so that more than that only costs time.
    max_poll_interval_seconds: float = 120.0  # most time between two polls; a rebalance waits so long, too
    request_timeout_seconds: float = 30.0  # most time for one answer of the broker
    delivery_timeout_seconds: float = 60.0  # most time until a record is acknowledged
    metadata_age_seconds: float = 5.0  # how old a topic's number of partitions may be
    linger_milliseconds: int = 1  # how long records wait for company
    compression: str = "zstd"  # none, gzip or zstd
