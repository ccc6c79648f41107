"""Makes the client library's objects; the only place that knows how they fail to be made."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from kafka import (  # type: ignore[import-untyped]  # the client has no types
    KafkaAdminClient,
    KafkaConsumer,
    KafkaProducer,
    errors,
)
from kafka.coordinator.assignors.range import (  # type: ignore[import-untyped]  # as above
    RangePartitionAssignor,
)
from kafka.net.compat import KafkaNetClient  # type: ignore[import-untyped]  # as above

from pairmill.bus.kafka_errors import translated
from pairmill.bus.kafka_inside import give_up_sending, greet
from pairmill.bus.kafka_options import (
    Options,
    connection_options,
    member_options,
    producer_options,
    read_password,
    reader_options,
    watcher_options,
)
from pairmill.bus.kafka_passwords import read_passwords_at_each_connection
from pairmill.bus.kafka_probe import require_broker, speaks_tls
from pairmill.bus.settings import KafkaConfig
from pairmill.errors import ConfigurationError, RetriableError

_LONGEST_BOOTSTRAP_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 2.0


class KafkaClients:
    """Makes clients for one cluster. Every one is new, so that it has what the files say now."""

    def __init__(self, servers: tuple[str, ...], config: KafkaConfig) -> None:
        read_passwords_at_each_connection()
        self._servers = servers
        self._config = config
        self._was_let_in = False

    def hasty(self, seconds: float) -> KafkaClients:
        """Returns the same for who cannot wait longer for an answer."""
        timeout = min(seconds, self._config.request_timeout_seconds)
        return KafkaClients(self._servers, replace(self._config, request_timeout_seconds=timeout))

    def admin(self) -> Any:
        """Returns a client for questions and for what operators do."""
        return self._make(KafkaAdminClient, connection_options(self._servers, self._config))

    def producer(self) -> Any:
        """Returns an idempotent producer."""
        return self._make(KafkaProducer, producer_options(self._servers, self._config))

    def reader(self) -> Any:
        """Returns a consumer without a group."""
        return self._make(KafkaConsumer, reader_options(self._servers, self._config))

    def watcher(self) -> Any:
        """Returns one that is to hear that there is something, and need not see all of it."""
        return self._make(KafkaConsumer, watcher_options(self._servers, self._config))

    def member(self, group: str, member: str) -> Any:
        """Returns a consumer that is a static member of a group, once it subscribes."""
        options = member_options(
            self._servers, self._config, group=group, member=member, assignor=RangePartitionAssignor
        )
        return self._make(KafkaConsumer, options)

    def _make(self, kind: Callable[..., Any], options: Options) -> Any:
        answering = require_broker(self._servers, self._config)
        options["bootstrap_timeout_ms"] = round(
            min(self._config.request_timeout_seconds, _LONGEST_BOOTSTRAP_SECONDS) * 1000
        )
        password = options.get("sasl_plain_password", "")
        try:
            with translated(f"connecting to {', '.join(self._servers)}"):
                if password:
                    greet(answering, options, self._config.request_timeout_seconds)
                client = _made_or_closed(kind, options)
        except RetriableError as error:
            if isinstance(error.__cause__, errors.SaslAuthenticationFailedError):
                self._explain_refusal(password, error)
            else:
                self._explain_silence(error)
            raise
        self._was_let_in = True
        return client

    def _explain_silence(self, error: RetriableError) -> None:
        """A port that takes connections but answers nothing may speak TLS."""
        if self._config.tls:
            return
        for server in self._servers:
            if speaks_tls(server):
                raise ConfigurationError(
                    f"kafka.tls: {server} speaks TLS, and the settings do not; set PAIRMILL_KAFKA__TLS=true"
                ) from error

    def _explain_refusal(self, password: str, error: RetriableError) -> None:
        """A password that never opened the door is wrong.

        One that did is being replaced: the file will have the new one, if it has not by now (G5).
        """
        if not self._was_let_in and read_password(self._config) == password:
            raise ConfigurationError(str(error)) from error.__cause__


def _made_or_closed(kind: Callable[..., Any], options: Options) -> Any:
    """Makes a client; where that fails, ends the thread and the connections that it has by then."""
    networks: list[Any] = []

    def make_network(**settings: Any) -> Any:
        networks.append(KafkaNetClient(**settings))
        return networks[-1]

    try:
        return kind(**options, kafka_client=make_network)
    except BaseException:
        for network in networks:
            with contextlib.suppress(Exception):  # it is broken, or why are we here
                network.close()
        raise


def close_admin(client: Any) -> None:
    """Closes a client made by `admin`."""
    client.close()


def close_producer(client: Any) -> None:
    """Closes a producer without waiting for what it has not sent: its senders were told of a failure."""
    give_up_sending(client, _CLOSE_SECONDS)
    client.close(timeout=0)


def close_consumer(client: Any) -> None:
    """Closes a consumer without committing. A static member stays in its group until it is removed."""
    client.close(autocommit=False, timeout_ms=round(_CLOSE_SECONDS * 1000))
