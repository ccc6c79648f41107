"""How the gateway is reached: the options that all verbs of `pairmill job` share."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from pairmill_standalone.cli.api_connection import (
    Connection,
    connection_parameters,
    described,
    open_channel,
    taken_connection,
)
from pairmill_standalone.cli.exits import errors_as_exits
from pairmill_standalone.cli.job_client import JobClient
from pairmill_standalone.cli.job_errors import GATEWAY

P = ParamSpec("P")

Target = Annotated[
    str, typer.Option("--target", metavar="HOST:PORT", envvar="PAIRMILL_TARGET", help="The gateway.")
]


def with_client(verb: Callable[Concatenate[JobClient, P], None]) -> Callable[..., None]:
    """Returns a verb that has the options of a connection too, and gets a client for it."""
    own = list(inspect.signature(verb, eval_str=True).parameters.values())[1:]

    @functools.wraps(verb)
    def call(**options: Any) -> None:
        connection = taken_connection(options)
        with errors_as_exits(), open_client(connection) as client:
            verb(client, **options)  # type: ignore[call-arg] # what is left are the verb's own options

    return described(call, [*own, *connection_parameters(Target)])


@contextmanager
def open_client(connection: Connection) -> Iterator[JobClient]:
    """Gives a client; raises ConfigurationError with everything that is wrong with the connection."""
    with open_channel(connection, GATEWAY) as (channel, caller):
        yield JobClient(channel, caller)
