"""The explorer's servers over its core, for a cluster and for a laptop alike."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from pairmill.clock import Clock
from pairmill.errors import ConfigurationError
from pairmill.rpc.config import RpcConfig
from pairmill.rpc.quotas import Quota
from pairmill.rpc.server import RpcServer, always_ready, served
from pairmill.rpc.tokens import TokenBook
from pairmill.telemetry.checks import Check
from pairmill_explorer.http.addresses import Address
from pairmill_explorer.http.app import OTHER, Served, addresses, build_app
from pairmill_explorer.http.bodies import Bodies
from pairmill_explorer.http.clip.routes import ClipAnswers, clip_addresses
from pairmill_explorer.http.clip.summary import StepTimes
from pairmill_explorer.http.config import HttpConfig
from pairmill_explorer.http.doors import Door, LoopbackDoor, TokenDoor
from pairmill_explorer.http.gate import Gate
from pairmill_explorer.http.headers import Headers
from pairmill_explorer.http.images import Images
from pairmill_explorer.http.pages import read_pages
from pairmill_explorer.http.server import HttpServer
from pairmill_explorer.http.sessions import KEY_BYTES, Sessions, read_key
from pairmill_explorer.metrics import HttpMetrics, register_load
from pairmill_explorer.rpc.ports import Searches, Subsets
from pairmill_explorer.rpc.procedures import procedures
from pairmill_explorer.rpc.server import explorer_api
from pairmill_explorer.rpc.work import WorkConfig, Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Desks:
    """Who answers."""

    searches: Searches
    subsets: Subsets
    images: Images
    clip: ClipAnswers
    clip_times: StepTimes


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Servers that run; None where an address is not set."""

    http: HttpServer | None
    rpc: RpcServer | None

    def is_live(self) -> str | None:
        """Returns a problem where a server has ended by itself."""
        return self.http.is_live() if self.http is not None else None


@contextmanager
def serving(
    desks: Desks,
    *,
    http: HttpConfig,
    rpc: RpcConfig,
    work: WorkConfig,
    registry: CollectorRegistry,
    clock: Clock,
    ready: Check = always_ready,
) -> Iterator[Running]:
    """Serves over HTTP and gRPC meanwhile; at the end both drain.

    Without a tokens file HTTP is served on a loopback address only, and asks for none. Raises
    ConfigurationError where something cannot be served.
    """
    quota = Quota(work.calls_per_minute or None, clock)
    with ExitStack() as stack:
        workers = stack.enter_context(Workers(work.threads, work.waiting))
        pictures = stack.enter_context(Workers(work.picture_threads, work.waiting))
        register_load(registry, workers, pictures, quota)
        calls = procedures(desks.searches, desks.subsets)
        behind = Served(
            procedures=calls, images=desks.images, workers=workers, pictures=pictures, pages=read_pages()
        )
        server = _http_server(http, desks, behind, quota, registry, clock) if http.listen else None
        api = served(rpc, explorer_api(calls, workers, quota), registry=registry, clock=clock, ready=ready)
        rpc_server = stack.enter_context(api)
        if server is not None:
            stack.enter_context(server)
        yield Running(http=server, rpc=rpc_server)


def _http_server(
    config: HttpConfig,
    desks: Desks,
    behind: Served,
    quota: Quota,
    registry: CollectorRegistry,
    clock: Clock,
) -> HttpServer:
    secure = config.behind_proxy or config.tls.certificate_file is not None
    door, bodies = _door(config, clock, secure=secure), Bodies(config.max_bodies_bytes)
    all_addresses = _addresses(config, desks, behind, door, bodies, registry)
    metrics = HttpMetrics(registry, {*(one.route.name for one in all_addresses), OTHER})
    gate = Gate(config, door=door, quota=quota, metrics=metrics, clock=clock)
    headers = Headers(secure=secure, allow_origins=config.allow_origins)
    server = HttpServer(
        config,
        lambda: build_app(all_addresses, gate, headers, metrics),
        gate,
        is_open=config.tokens_file is None,
        clock=clock,
    )
    metrics.show_connections(lambda: server.connections_open)
    return server


def _addresses(
    config: HttpConfig,
    desks: Desks,
    behind: Served,
    door: Door,
    bodies: Bodies,
    registry: CollectorRegistry,
) -> list[Address]:
    clip = clip_addresses(
        desks.clip, desks.clip_times, behind.workers, bodies, registry, config.max_body_bytes
    )
    return [*addresses(config, behind, door, bodies), *clip]


def _door(config: HttpConfig, clock: Clock, *, secure: bool) -> Door:
    if config.tokens_file is None:
        return LoopbackDoor()
    try:
        book = TokenBook(config.tokens_file, clock)
    except ConfigurationError as error:
        raise ConfigurationError(f"http.{error}") from error
    key = read_key(config.session_key_file) if config.session_key_file else secrets.token_bytes(KEY_BYTES)
    return TokenDoor(book, Sessions(key, config.session_seconds), clock, secure=secure)
