"""Looks at a broker's port before a client does: what is wrong with an address or with TLS, in words.

The client tries on in silence until its time is over; here the first answer says what it was.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Sequence
from typing import Final

from pairmill.bus.settings import KafkaConfig
from pairmill.errors import ConfigurationError, PairmillError, RetriableError

_DEFAULT_PORT: Final = 9092
_LONGEST_SECONDS: Final = 10.0
_HANDSHAKE_SECONDS: Final = 3.0  # a port that speaks no TLS mostly says nothing


def require_broker(servers: Sequence[str], config: KafkaConfig) -> str:
    """Returns the first of the servers that can be talked to as the settings say.

    Raises RetriableError if none answers, ConfigurationError if one does that speaks otherwise.
    """
    found: list[PairmillError] = []
    for server in servers:
        problem = _problem(server, config)
        if problem is None:
            return server
        found.append(problem)
    wrong = [problem for problem in found if isinstance(problem, ConfigurationError)]
    raise (wrong or found or [ConfigurationError("bus_url: name at least one host:port")])[0]


def parse_server(server: str) -> tuple[str, int]:
    """Returns host and port of `host`, `host:port` or `[v6]:port`; raises ConfigurationError."""
    host, colon, port = server.strip().rpartition(":")
    if not colon or (host.count(":") and not host.endswith("]")):
        host, port = server.strip(), str(_DEFAULT_PORT)
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigurationError(f"bus_url: {server!r} is not host:port")
    return host.strip("[]"), int(port)


def _problem(server: str, config: KafkaConfig) -> PairmillError | None:
    host, port = parse_server(server)
    seconds = min(config.request_timeout_seconds, _LONGEST_SECONDS)
    try:
        with socket.create_connection((host, port), timeout=seconds) as connection:
            if config.tls:
                return _tls_problem(connection, server, host, config)
            return None
    except OSError as error:
        return RetriableError(f"no broker answers at {server}: {error}")


def _tls_problem(
    connection: socket.socket, server: str, host: str, config: KafkaConfig
) -> PairmillError | None:
    context = _context(config)
    connection.settimeout(min(config.request_timeout_seconds, _LONGEST_SECONDS))
    try:
        with context.wrap_socket(connection, server_hostname=host):
            return None
    except ssl.SSLCertVerificationError as error:
        return ConfigurationError(
            f"kafka.ca_file: the certificate of {server} is not trusted ({error.verify_message})"
        )
    except ssl.SSLEOFError as error:
        return RetriableError(f"{server} ended the TLS handshake: {error}")
    except ssl.SSLError as error:
        return ConfigurationError(
            f"kafka.tls: {server} does not speak TLS as we do ({error.reason or error})"
        )
    except TimeoutError:
        return ConfigurationError(f"kafka.tls: {server} does not answer a TLS handshake; is it a plain port?")


def _context(config: KafkaConfig) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=config.ca_file)
        if config.certificate_file is not None:
            context.load_cert_chain(config.certificate_file, config.key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"kafka.ca_file, kafka.certificate_file, kafka.key_file: cannot be used ({error})"
        ) from error
    return context


def speaks_tls(server: str) -> bool:
    """Whether a port that did not answer in plain words answers a TLS handshake."""
    host, port = parse_server(server)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # only whether TLS is spoken is asked, nothing is sent
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host, port), timeout=_HANDSHAKE_SECONDS) as connection,
        context.wrap_socket(connection, server_hostname=host),
    ):
        return True
    return False
