"""A password that is replaced while clients are in use (G5)."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
from kafka import KafkaAdminClient  # type: ignore[import-untyped]  # the client has no types
from kafka.admin import (  # type: ignore[import-untyped]  # as above
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from deploy.local.kafka import KafkaOptions, KafkaServer
from pairmill.bus.port import Consumer
from pairmill.bus.settings import KafkaConfig, SaslMechanism
from pairmill.errors import ConfigurationError, RetriableError
from tests.fakes.components import Servers
from tests.fakes.kafka_broker import PROMPT, KafkaBroker
from tests.fakes.kafka_child import until_it_works
from tests.fakes.processes import wait_until
from tests.integration.bus.kafka_facts import new_place, numbers
from tests.integration.bus.test_kafka_security import in_pkcs8

pytestmark = [
    pytest.mark.faults,
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),  # see the test of outages
]

OLD, NEW = "old-word", "new-word"
LISTENERS = {"TLS": "SASL_SSL", "PLAIN": "SASL_PLAINTEXT"}
HASTY = dataclasses.replace(
    PROMPT,
    request_timeout_seconds=3.0,
    delivery_timeout_seconds=4.0,
    sasl_mechanism=SaslMechanism.SCRAM_SHA_512,
)


@pytest.fixture(autouse=True)
def collected(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    for phase in ("setup", "call"):
        caplog.get_records(phase).clear()  # the client logs its connections as objects
    caplog.clear()
    gc.collect()  # while the filter above holds


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the certificates of broker and authority."""
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    chain = b"".join(pem.bytes() for pem in certificate.cert_chain_pems)
    (folder / "broker.pem").write_bytes(in_pkcs8(certificate.private_key_pem.bytes()) + chain)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    return folder


@pytest.fixture(scope="module")
def server(shared_servers: Servers, folder: Path) -> KafkaServer:
    """A broker that asks for passwords, with TLS and without; each test leaves it running."""
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    options = KafkaOptions(
        listeners=LISTENERS,
        properties={
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            **{f"listener.name.{name.lower()}.scram-sha-512.sasl.jaas.config": login for name in LISTENERS},
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(folder / "broker.pem"),
        },
    )
    return shared_servers.start(lambda place: KafkaServer(place, options=options))


def set_password(server: KafkaServer, user: str, password: str) -> None:
    """Has the broker know a user's password from now on."""
    admin = KafkaAdminClient(bootstrap_servers=server.address)
    try:
        answer = admin.alter_user_scram_credentials(
            [UserScramCredentialUpsertion(user, ScramMechanism.SCRAM_SHA_512, password=password)]
        )
    finally:
        admin.close()
    assert answer == {user: None}


def restart(server: KafkaServer) -> None:
    """Ends all connections."""
    server.kill()
    server.start()


@dataclass(frozen=True, slots=True)
class Secured:
    """A bus whose user has the old password, as its file says."""

    broker: KafkaBroker
    user: str
    file: Path


@pytest.fixture(params=sorted(LISTENERS))
def secured(
    request: pytest.FixtureRequest, server: KafkaServer, folder: Path, tmp_path: Path
) -> Iterator[Secured]:
    user, file = f"user-{uuid.uuid4().hex[:8]}", tmp_path / "password"
    set_password(server, user, OLD)
    file.write_text(OLD)
    tls = request.param == "TLS"
    config = dataclasses.replace(
        HASTY,
        tls=tls,
        ca_file=folder / "ca.pem" if tls else None,
        sasl_username=user,
        sasl_password_file=file,
    )
    wait_until(lambda: lets_in(server.listener(request.param), config))
    with KafkaBroker((server.listener(request.param),), config) as broker:
        yield Secured(broker, user, file)


def lets_in(address: str, config: KafkaConfig) -> bool:
    """Whether the broker lets us in; it takes a moment until it knows a new user."""
    with KafkaBroker((address,), config) as broker, contextlib.suppress(ConfigurationError, RetriableError):
        broker.ping()
        return True
    return False


class Listener:
    """A member that notes what came, and fails the test by all but what can be tried again."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._came: set[int] = set()

    def has(self, *wanted: int) -> bool:
        """Polls once, and returns whether all of these came by now."""
        with contextlib.suppress(RetriableError):
            self._came.update(numbers(list(self._consumer.poll(max_records=50, timeout_seconds=0.2))))
        return self._came.issuperset(wanted)


def test_g5_a_password_replaced_first_in_the_file_stops_nothing(
    server: KafkaServer, secured: Secured
) -> None:
    place = new_place(secured.broker)
    with place.consumer() as consumer:
        listener = Listener(consumer)
        place.publish(range(2))
        wait_until(lambda: listener.has(0, 1))
        set_password(server, secured.user, NEW)
        secured.file.write_text(NEW)
        restart(server)
        until_it_works(lambda: place.publish(range(2, 4)))
        wait_until(lambda: listener.has(2, 3))


@pytest.mark.long
def test_g5_a_password_replaced_first_at_the_broker_is_waited_for(
    server: KafkaServer, secured: Secured
) -> None:
    """It takes a minute until a pod sees the new content of a secret."""
    place = new_place(secured.broker)
    with place.consumer() as consumer:
        listener = Listener(consumer)
        place.publish(range(2))
        wait_until(lambda: listener.has(0, 1))
        set_password(server, secured.user, NEW)
        restart(server)
        for _ in range(2):
            with pytest.raises(RetriableError):
                place.publish(range(2, 3))
            assert not listener.has(2)
        secured.file.write_text(NEW)
        until_it_works(lambda: place.publish(range(3, 5)))
        wait_until(lambda: listener.has(3, 4))
