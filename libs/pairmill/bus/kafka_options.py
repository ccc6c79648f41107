"""Settings in the words of the client library."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pairmill.bus.kafka_passwords import PasswordInFile
from pairmill.bus.settings import KafkaConfig, SaslMechanism
from pairmill.errors import ConfigurationError

MAX_REQUEST_BYTES: Final = 8 << 20  # above every topic's limit, so that the topic's limit decides
BATCH_BYTES: Final = 256 << 10
FETCH_BYTES: Final = 4 << 20  # per partition; a larger first message still comes
FETCH_WAIT_MILLISECONDS: Final = 250
RETRY_MILLISECONDS: Final = 50
LONGEST_RECONNECT_MILLISECONDS: Final = 2_000
METADATA_MILLISECONDS: Final = 10_000  # so soon a change is seen that no error tells of

Options = dict[str, Any]


def connection_options(servers: tuple[str, ...], config: KafkaConfig) -> Options:
    """Returns what all clients have in common; reads the password's file."""
    return {
        "bootstrap_servers": list(servers),
        "client_id": "pairmill",
        "request_timeout_ms": round(config.request_timeout_seconds * 1000),
        "bootstrap_timeout_ms": round(config.request_timeout_seconds * 1000),
        "retry_backoff_ms": RETRY_MILLISECONDS,
        "reconnect_backoff_max_ms": LONGEST_RECONNECT_MILLISECONDS,
        "metadata_max_age_ms": METADATA_MILLISECONDS,
        **_security(config),
    }


def producer_options(servers: tuple[str, ...], config: KafkaConfig) -> Options:
    """Returns a producer that writes each record once and in order, and that waits for all replicas."""
    return {
        **connection_options(servers, config),
        "enable_idempotence": True,
        "acks": "all",
        "delivery_timeout_ms": round(config.delivery_timeout_seconds * 1000),
        "max_block_ms": round(config.request_timeout_seconds * 1000),
        "request_timeout_ms": round(
            min(config.request_timeout_seconds, config.delivery_timeout_seconds) * 1000
        ),
        "linger_ms": config.linger_milliseconds,
        "batch_size": BATCH_BYTES,
        "max_request_size": MAX_REQUEST_BYTES,
        "compression_type": None if config.compression == "none" else config.compression,
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
    }


def reader_options(servers: tuple[str, ...], config: KafkaConfig) -> Options:
    """Returns a consumer without a group, which begins at the oldest where its place is gone."""
    return {
        **connection_options(servers, config),
        "group_id": None,
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "allow_auto_create_topics": False,
        "max_partition_fetch_bytes": FETCH_BYTES,
        "fetch_max_wait_ms": FETCH_WAIT_MILLISECONDS,
        "metrics_enabled": False,
    }


def watcher_options(servers: tuple[str, ...], config: KafkaConfig) -> Options:
    """Returns a reader of which every answer is as small as it may be: one batch of records."""
    return {**reader_options(servers, config), "max_partition_fetch_bytes": 1, "fetch_max_bytes": 1}


def member_options(
    servers: tuple[str, ...], config: KafkaConfig, *, group: str, member: str, assignor: type[Any]
) -> Options:
    """Returns a static member of a group, whose partitions are ranges (U10)."""
    session = round(config.session_timeout_seconds * 1000)
    return {
        **reader_options(servers, config),
        "group_id": group,
        "group_instance_id": member,
        "session_timeout_ms": session,
        "heartbeat_interval_ms": max(50, min(3000, session // 6)),
        "max_poll_interval_ms": round(config.max_poll_interval_seconds * 1000),
        "partition_assignment_strategy": [assignor],
    }


def _security(config: KafkaConfig) -> Options:
    """Returns the options of TLS and SASL. The client reads PEM files anew at each connection."""
    sasl = config.sasl_mechanism is not SaslMechanism.NONE
    protocol = (
        f"SASL_{'SSL' if config.tls else 'PLAINTEXT'}" if sasl else "SSL" if config.tls else "PLAINTEXT"
    )
    options: Options = {"security_protocol": protocol}
    if config.tls:
        options["ssl_cafile"] = _path("ca_file", config.ca_file)
        options["ssl_certfile"] = _path("certificate_file", config.certificate_file)
        options["ssl_keyfile"] = _path("key_file", config.key_file)
    if sasl:
        options["sasl_mechanism"] = config.sasl_mechanism.value.upper()
        options["sasl_plain_username"] = config.sasl_username
        options["sasl_plain_password"] = read_password(config)
    return options


def read_password(config: KafkaConfig) -> str:
    """Returns the password in its file, without the line's end; empty without SASL."""
    if config.sasl_mechanism is SaslMechanism.NONE:
        return ""
    if config.sasl_password_file is None:
        raise ConfigurationError("kafka.sasl_password_file: name the file that holds the password")
    try:
        return PasswordInFile(config.sasl_password_file)
    except OSError as error:
        raise ConfigurationError(f"kafka.sasl_password_file: cannot be read ({error})") from error


def _path(name: str, path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"kafka.{name}: cannot be read ({error})") from error
    return str(path)
