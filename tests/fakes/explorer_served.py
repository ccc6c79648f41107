"""An explorer's servers over fake desks on real sockets, and a client that sends exactly what it is told."""

from __future__ import annotations

import gzip
import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from prometheus_client import CollectorRegistry

from pairmill.clock import SystemClock
from pairmill.rpc.config import RpcConfig
from pairmill_explorer.http.clip.summary import StepTimes
from pairmill_explorer.http.config import HttpConfig
from pairmill_explorer.rpc.work import WorkConfig
from pairmill_explorer.serving import Desks, Running, serving
from tests.fakes.explorer_desks import FakeDesk
from tests.fakes.rpc import TokenFile, config_of

SECONDS = 20.0


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Explored:
    """An explorer that runs."""

    running: Running
    desk: FakeDesk
    tokens: TokenFile | None
    registry: CollectorRegistry
    clip_times: StepTimes
    tls: ssl.SSLContext | None = field(default=None)

    @property
    def port(self) -> int:
        """Port of the web server."""
        assert self.running.http is not None
        return self.running.http.port

    @property
    def host(self) -> str:
        """What stands in the Host header."""
        return f"127.0.0.1:{self.port}"

    @property
    def target(self) -> str:
        """Address of the gRPC API."""
        assert self.running.rpc is not None
        return f"127.0.0.1:{self.running.rpc.port}"

    def metadata(self, name: str) -> tuple[tuple[str, str], ...]:
        """Returns the metadata of a caller."""
        assert self.tokens is not None
        return (("authorization", f"Bearer {self.tokens.tokens[name]}"),)

    def measured(self, metric: str, **labels: str) -> float | None:
        """Returns the value of a metric."""
        return self.registry.get_sample_value(metric, labels)

    def connection(self) -> http.client.HTTPConnection:
        """Returns a connection to the web server."""
        if self.tls is not None:
            return http.client.HTTPSConnection("localhost", self.port, timeout=SECONDS, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)

    def ask(
        self,
        verb: str,
        path: str,
        body: bytes | None = None,
        *,
        caller: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Sends a request on a connection of its own."""
        sent = dict(headers or {})
        if caller is not None:
            assert self.tokens is not None
            sent["Authorization"] = f"Bearer {self.tokens.tokens[caller]}"
        connection = self.connection()
        try:
            connection.request(verb, path, body, sent)
            return answer_of(connection)
        finally:
            connection.close()

    def call(self, method: str, request: Any, *, caller: str | None = None, **headers: str) -> Answer:
        """Calls a method with JSON."""
        body = json.dumps(request).encode()
        sent = {"Content-Type": "application/json", **headers}
        return self.ask("POST", f"/api/v1/{method}", body, caller=caller, headers=sent)


def answer_of(connection: http.client.HTTPConnection) -> Answer:
    """Reads an answer."""
    response = connection.getresponse()
    body = response.read()
    headers = {name.title(): value for name, value in response.getheaders()}
    if headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    return Answer(response.status, headers, body)


def http_config(tokens: TokenFile | None, **changes: Any) -> HttpConfig:
    """Returns a configuration for a loopback address without TLS."""
    plain = HttpConfig(
        listen="127.0.0.1:0",
        tokens_file=tokens.path if tokens is not None else None,
        linger_seconds=0.0,
        drain_seconds=5.0,
    )
    return replace(plain, **changes)


@contextmanager
def exploring(
    tokens: TokenFile | None = None,
    desk: FakeDesk | None = None,
    *,
    http: Mapping[str, Any] | None = None,
    rpc: Mapping[str, Any] | None = None,
    work: WorkConfig | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Explored]:
    """Serves a fake desk meanwhile: over HTTP, and with tokens over gRPC too."""
    fake, registry = desk or FakeDesk(), CollectorRegistry()
    times = StepTimes(registry)
    desks = Desks(searches=fake, subsets=fake, images=fake, clip=fake, clip_times=times)
    with serving(
        desks,
        http=http_config(tokens, **(http or {})),
        rpc=config_of(tokens, **(rpc or {})) if tokens is not None else RpcConfig(),
        work=work or WorkConfig(calls_per_minute=0),
        registry=registry,
        clock=SystemClock(),
    ) as running:
        yield Explored(running, fake, tokens, registry, times, tls)
