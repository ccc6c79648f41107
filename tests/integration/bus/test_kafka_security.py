"""TLS and passwords on a real broker."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from deploy.local.kafka import KafkaOptions, KafkaServer
from deploy.local.ports import free_port
from pairmill.bus.kafka import KafkaBus
from pairmill.bus.port import Outgoing, TopicPartition
from pairmill.bus.settings import KafkaConfig, SaslMechanism
from pairmill.errors import ConfigurationError, RetriableError
from tests.fakes.components import Servers
from tests.fakes.kafka_broker import PROMPT, KafkaBroker

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
"""The client leaves a socket that could not connect to the collector of garbage."""

USER, PASSWORD = "pairmill", "right-word"
_LOGIN = "org.apache.kafka.common.security"


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    yield
    gc.collect()  # while the filter above holds


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def in_pkcs8(key: bytes) -> bytes:
    """Returns a private key in the only form that Kafka reads from PEM."""
    return serialization.load_pem_private_key(key, password=None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.fixture(scope="module")
def server(
    shared_servers: Servers, authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> KafkaServer:
    """A broker that also listens in TLS, with passwords by PLAIN and SCRAM and with certificates."""
    folder = tmp_path_factory.mktemp("tls")
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    chain = b"".join(pem.bytes() for pem in certificate.cert_chain_pems)
    (folder / "broker.pem").write_bytes(in_pkcs8(certificate.private_key_pem.bytes()) + chain)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    options = KafkaOptions(
        listeners={"PASSWORD": "SASL_SSL", "MUTUAL": "SSL"},
        properties={
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            "listener.name.password.plain.sasl.jaas.config": (
                f'{_LOGIN}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
            ),
            "listener.name.password.scram-sha-512.sasl.jaas.config": (
                f"{_LOGIN}.scram.ScramLoginModule required;"
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(folder / "broker.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(folder / "ca.pem"),
            "listener.name.mutual.ssl.client.auth": "required",
        },
        format_arguments=("--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"),
    )
    return shared_servers.start(lambda place: KafkaServer(place, options=options))


@pytest.fixture
def config(tmp_path: Path, authority: trustme.CA) -> KafkaConfig:
    """Settings with the right password."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / "password").write_text(PASSWORD + "\n")
    return dataclasses.replace(
        PROMPT,
        request_timeout_seconds=5.0,
        tls=True,
        ca_file=tmp_path / "ca.pem",
        sasl_mechanism=SaslMechanism.PLAIN,
        sasl_username=USER,
        sasl_password_file=tmp_path / "password",
    )


def require_use(address: str, config: KafkaConfig, topic: str) -> None:
    """Creates a topic, publishes, reads and consumes."""
    with KafkaBroker((address,), config) as broker:
        broker.create_topic(topic, 1)
        broker.publish([Outgoing(topic=topic, partition=0, key=b"k", value=b"v")])
        assert [each.value for each in broker.read(TopicPartition(topic, 0), start=0, max_records=5)] == [
            b"v"
        ]


@pytest.mark.parametrize("mechanism", [SaslMechanism.PLAIN, SaslMechanism.SCRAM_SHA_512])
def test_the_right_password_works(server: KafkaServer, config: KafkaConfig, mechanism: SaslMechanism) -> None:
    config = dataclasses.replace(config, sasl_mechanism=mechanism)
    require_use(server.listener("PASSWORD"), config, f"secure-{mechanism.value}")


@pytest.mark.parametrize("mechanism", [SaslMechanism.PLAIN, SaslMechanism.SCRAM_SHA_512])
def test_a_wrong_password_names_the_setting(
    server: KafkaServer, config: KafkaConfig, tmp_path: Path, mechanism: SaslMechanism
) -> None:
    (tmp_path / "password").write_text("wrong-word\n")
    config = dataclasses.replace(config, sasl_mechanism=mechanism)
    with (
        KafkaBus((server.listener("PASSWORD"),), config) as bus,
        pytest.raises(ConfigurationError, match="sasl_password_file") as caught,
    ):
        bus.ping()
    assert "wrong-word" not in str(caught.value)


def test_a12_whoever_proves_himself_does_so_to_a_broker_that_is_there(
    server: KafkaServer, config: KafkaConfig
) -> None:
    away = f"127.0.0.1:{free_port()}"
    with KafkaBus((away, server.listener("PASSWORD")), config) as bus:
        bus.ping()


def test_a_password_that_is_put_right_is_read_anew(
    server: KafkaServer, config: KafkaConfig, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("wrong-word\n")
    with KafkaBus((server.listener("PASSWORD"),), config) as bus:
        with pytest.raises(ConfigurationError):
            bus.ping()
        (tmp_path / "password").write_text(PASSWORD)
        bus.ping()


def test_a_mechanism_that_the_broker_does_not_offer_is_named(
    server: KafkaServer, config: KafkaConfig
) -> None:
    config = dataclasses.replace(config, sasl_mechanism=SaslMechanism.SCRAM_SHA_256)
    with (
        KafkaBus((server.listener("PASSWORD"),), config) as bus,
        pytest.raises((ConfigurationError, RetriableError)),
    ):
        bus.ping()


def test_a_certificate_is_proof_enough_where_the_broker_asks_for_one(
    server: KafkaServer, config: KafkaConfig, authority: trustme.CA, tmp_path: Path
) -> None:
    mine = authority.issue_cert("client.example")
    mine.cert_chain_pems[0].write_to_path(str(tmp_path / "client.pem"))
    mine.private_key_pem.write_to_path(str(tmp_path / "client.key"))
    config = dataclasses.replace(
        config,
        sasl_mechanism=SaslMechanism.NONE,
        certificate_file=tmp_path / "client.pem",
        key_file=tmp_path / "client.key",
    )
    require_use(server.listener("MUTUAL"), config, "secure-mutual")


def test_an_authority_that_is_not_trusted_is_named(
    server: KafkaServer, config: KafkaConfig, tmp_path: Path
) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with (
        KafkaBus((server.listener("PASSWORD"),), config) as bus,
        pytest.raises(ConfigurationError, match="ca_file"),
    ):
        bus.ping()


def test_plain_words_to_a_tls_port_are_explained(server: KafkaServer, config: KafkaConfig) -> None:
    config = dataclasses.replace(
        config, tls=False, sasl_mechanism=SaslMechanism.NONE, request_timeout_seconds=2.0
    )
    with (
        KafkaBus((server.listener("PASSWORD"),), config) as bus,
        pytest.raises(ConfigurationError, match="PAIRMILL_KAFKA__TLS"),
    ):
        bus.ping()


def test_tls_to_a_plain_port_is_explained(server: KafkaServer, config: KafkaConfig) -> None:
    with (
        KafkaBus((server.address,), config) as bus,
        pytest.raises((ConfigurationError, RetriableError)) as caught,
    ):
        bus.ping()
    assert "TLS" in str(caught.value)
