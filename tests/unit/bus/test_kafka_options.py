"""Settings in the words of the client, and addresses."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from kafka.net.sasl import get_sasl_mechanism  # type: ignore[import-untyped]  # the client has no types

from pairmill.bus.kafka_options import connection_options, member_options, producer_options, read_password
from pairmill.bus.kafka_passwords import read_passwords_at_each_connection
from pairmill.bus.kafka_probe import parse_server, require_broker
from pairmill.bus.settings import KafkaConfig, SaslMechanism
from pairmill.errors import ConfigurationError, RetriableError

SERVERS = ("broker:9092",)


@pytest.mark.parametrize(
    ("tls", "mechanism", "protocol"),
    [
        (False, SaslMechanism.NONE, "PLAINTEXT"),
        (True, SaslMechanism.NONE, "SSL"),
        (False, SaslMechanism.PLAIN, "SASL_PLAINTEXT"),
        (True, SaslMechanism.SCRAM_SHA_512, "SASL_SSL"),
    ],
)
def test_tls_and_sasl_choose_the_protocol(
    tmp_path: Path, tls: bool, mechanism: SaslMechanism, protocol: str
) -> None:
    password = tmp_path / "password"
    password.write_text("secret word\n")
    config = KafkaConfig(tls=tls, sasl_mechanism=mechanism, sasl_username="me", sasl_password_file=password)
    options = connection_options(SERVERS, config)
    assert options["security_protocol"] == protocol
    if mechanism is not SaslMechanism.NONE:
        assert options["sasl_mechanism"] == mechanism.value.upper()
        assert options["sasl_plain_password"] == "secret word"


def test_g5_each_connection_has_the_password_of_now(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("old word")
    read_passwords_at_each_connection()
    options = connection_options(
        SERVERS,
        KafkaConfig(sasl_mechanism=SaslMechanism.PLAIN, sasl_username="me", sasl_password_file=password),
    )
    password.write_text("new word\n")
    assert get_sasl_mechanism("PLAIN")(**options).auth_bytes() == b"me\0me\0new word"
    password.unlink()
    assert get_sasl_mechanism("PLAIN")(**options).auth_bytes() == b"me\0me\0old word"


def test_u2_a_producer_is_idempotent_and_waits_for_all_replicas() -> None:
    options = producer_options(SERVERS, KafkaConfig(compression="none"))
    assert (options["enable_idempotence"], options["acks"]) == (True, "all")
    assert options["compression_type"] is None
    assert options["allow_auto_create_topics"] is False


def test_u10_a_member_is_static_and_commits_nothing_by_itself() -> None:
    config = KafkaConfig(session_timeout_seconds=6.0)
    options = member_options(SERVERS, config, group="g", member="downloader-000", assignor=object)
    assert options["group_instance_id"] == "downloader-000"
    assert options["enable_auto_commit"] is False
    assert options["auto_offset_reset"] == "earliest"
    assert options["heartbeat_interval_ms"] * 3 < options["session_timeout_ms"]


@pytest.mark.parametrize("field", ["ca_file", "certificate_file", "key_file"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, field: str) -> None:
    config = KafkaConfig(tls=True, **{field: tmp_path / "none.pem"})  # type: ignore[arg-type]  # a path each
    with pytest.raises(ConfigurationError, match=field):
        connection_options(SERVERS, config)


def test_a_password_is_asked_for_by_name() -> None:
    with pytest.raises(ConfigurationError, match="sasl_password_file"):
        read_password(KafkaConfig(sasl_mechanism=SaslMechanism.PLAIN))


@pytest.mark.parametrize(
    ("server", "parsed"),
    [
        ("broker", ("broker", 9092)),
        ("broker:1234", ("broker", 1234)),
        (" 10.0.0.1:9093 ", ("10.0.0.1", 9093)),
        ("[::1]:9094", ("::1", 9094)),
        ("[::1]", ("::1", 9092)),
    ],
)
def test_servers_are_read_with_and_without_a_port(server: str, parsed: tuple[str, int]) -> None:
    assert parse_server(server) == parsed


@pytest.mark.parametrize("server", ["", ":9092", "broker:", "broker:http", "broker:70000"])
def test_what_is_no_server_is_refused(server: str) -> None:
    with pytest.raises(ConfigurationError, match="bus_url"):
        parse_server(server)


def test_nobody_at_the_address_is_retriable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening
        server = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(RetriableError, match=server):
            require_broker((server,), KafkaConfig())
