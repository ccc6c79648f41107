"""How a service is reached over gRPC: the options that all verbs which call one share."""

from __future__ import annotations

import functools
import inspect
import ipaddress
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pairmill.clock import SystemClock
from pairmill.errors import ConfigurationError
from pairmill_standalone.cli.api_caller import Caller
from pairmill_standalone.cli.api_errors import Dialect
from pairmill_standalone.cli.exits import complain

if TYPE_CHECKING:
    import grpc


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where a service is, and as whom it is called."""

    target: str = ""  # what it is called stands with each verb
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", envvar="PAIRMILL_TOKEN_FILE", help="File with your token."),
    ] = None
    ca_file: Annotated[
        Path | None,
        typer.Option(
            "--ca-file",
            envvar="PAIRMILL_CA_FILE",
            help="PEM with the authorities to trust; the system's if not given.",
        ),
    ] = None
    cert_file: Annotated[
        Path | None, typer.Option("--cert-file", help="PEM with your certificate, for mutual TLS.")
    ] = None
    key_file: Annotated[Path | None, typer.Option("--key-file", help="PEM with its key.")] = None
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure",
            envvar="PAIRMILL_INSECURE",
            help="Without TLS; to a service on this machine only.",
        ),
    ] = False
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, max=60.0, help="Seconds that an answer may take.")
    ] = 30.0


def connection_parameters(target: Any) -> list[inspect.Parameter]:
    """Returns the parameters of a verb that has the options of a connection; `target` is that of its own."""
    annotations = inspect.signature(Connection, eval_str=True).parameters
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=target if field.name == "target" else annotations[field.name].annotation,
        )
        for field in fields(Connection)
    ]


def taken_connection(options: dict[str, Any]) -> Connection:
    """Takes the options of a connection out of a verb's."""
    return Connection(**{field.name: options.pop(field.name) for field in fields(Connection)})


def described(call: Callable[..., None], parameters: Sequence[inspect.Parameter]) -> Callable[..., None]:
    """Returns a function that the command line takes for one with these parameters."""
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # read by typer
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return call


@contextmanager
def open_channel(connection: Connection, dialect: Dialect) -> Iterator[tuple[grpc.Channel, Caller]]:
    """Gives a channel and what calls over it; ConfigurationError with all that is wrong with both."""
    os.environ.setdefault(
        "GRPC_VERBOSITY", "NONE"
    )  # what grpc would print of its troubles is told in our words
    import grpc

    check(connection, dialect.server)
    options = (
        ("grpc.max_receive_message_length", 64 * 2**20),
        ("grpc.keepalive_time_ms", 20_000),  # tells a service that hangs from one that has nothing to say
        ("grpc.keepalive_timeout_ms", 10_000),
    )
    if connection.insecure:
        channel = grpc.insecure_channel(connection.target, options)
    else:
        credentials = grpc.ssl_channel_credentials(
            _pem("--ca-file", connection.ca_file),
            _pem("--key-file", connection.key_file),
            _pem("--cert-file", connection.cert_file),
        )
        channel = grpc.secure_channel(connection.target, credentials, options)
    with channel:
        caller = Caller(
            target=connection.target,
            token=functools.partial(read_token, connection.token_file),
            timeout_seconds=connection.timeout,
            clock=SystemClock(),
            tell=complain,
            dialect=dialect,
        )
        yield channel, caller


def check(connection: Connection, server: str) -> None:
    """Raises ConfigurationError with everything that is wrong with a connection."""
    problems = []
    host, separator, port = connection.target.rpartition(":")
    if not connection.target:
        problems.append(f"--target: is not given; name the {server} as HOST:PORT, or set PAIRMILL_TARGET")
    elif not separator or not host or not port.isdigit():
        problems.append(f"--target: {connection.target!r} is no HOST:PORT")
    elif connection.insecure and not _is_here(host):
        problems.append(f"--insecure: {host} is not this machine; your token would travel in the clear")
    if (connection.cert_file is None) != (connection.key_file is None):
        problems.append("--cert-file: goes together with --key-file; give both or none")
    try:
        read_token(connection.token_file)
    except ConfigurationError as error:
        problems.append(str(error))
    if problems:
        raise ConfigurationError("\n".join(problems))


def read_token(path: Path | None) -> str:
    """Returns the token of a file as it is now, for it may be exchanged while a watch goes on."""
    if path is None:
        raise ConfigurationError("--token-file: is not given; name a file, or set PAIRMILL_TOKEN_FILE")
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--token-file: {path} cannot be read: {error}") from error
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError(
            f"--token-file: {path} holds no token; one line, as `pairmill job token` has it"
        )
    return token


def _pem(option: str, path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{option}: {path} cannot be read: {error.strerror}") from error


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
